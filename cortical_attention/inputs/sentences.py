"""Pairs of sentences of similar meaning, to see whether the nearest neighbour of a sentence is the other of its pair.

Written for this project: plain sentences of everyday life, of which the two of a pair share few words.
"""

SENTENCE_PAIRS = (
    (
        "The train to the coast was late again this morning.",
        "We waited a long time at the station for our delayed rail service.",
    ),
    ("She baked a loaf of bread for breakfast.", "Fresh bread came out of her oven early in the day."),
    ("A dog is chasing a ball across the park.", "A puppy runs over the grass after its toy."),
    ("The doctor told him to rest for a week.", "His physician advised several days of bed rest."),
    ("It has been raining since yesterday.", "The wet weather has not stopped for a whole day."),
    ("He forgot where he had parked the car.", "He could not remember in which street his vehicle stood."),
    ("The children built a castle out of sand.", "On the beach, kids were making a fortress with buckets and spades."),
    ("My grandmother knits a scarf every winter.", "Each cold season, grandma makes us something warm out of wool."),
    ("The shop closes at six in the evening.", "You cannot buy anything there after 6 pm."),
    ("They painted the kitchen yellow.", "The walls of the room where they cook got a bright new colour."),
    ("The phone battery was empty after lunch.", "By early afternoon the mobile had run out of power."),
    ("I would like a cup of tea with milk.", "Could I have some milky tea, please?"),
    ("The team lost the final in the last minute.", "A late goal cost our players the championship match."),
    ("Prices of bread and butter have gone up.", "Groceries have become more expensive."),
    ("She is learning to play the violin.", "She takes lessons on a string instrument."),
    ("The cat sleeps on the warm windowsill.", "A kitten is napping in the sun by the window."),
    ("He broke his leg while skiing.", "An accident on the snowy slope left him with a fractured bone."),
    ("We planted tomatoes behind the house.", "In our back garden we grow our own vegetables."),
    ("The teacher praised the class for its essays.", "The pupils were complimented on what they had written."),
    (
        "Please turn the music down, the baby is asleep.",
        "Could you lower the volume so that the infant does not wake up?",
    ),
    ("The bridge is closed for repairs until May.", "Nobody can cross the river there before the works end in spring."),
    ("He writes a letter to his sister every month.", "His sister regularly gets mail from him."),
    ("The moon was bright enough to read by.", "At night there was so much moonlight that we needed no lamp."),
    ("Her passport had expired before the journey.", "She could not travel because her documents were out of date."),
    ("The old clock in the hall has stopped.", "The antique timepiece near the entrance no longer works."),
    ("Two birds have built a nest under the roof.", "A pair of swallows is raising its young below the eaves."),
    ("He repaired the bicycle in the garage.", "He fixed the flat tyre and the brakes of his bike at home."),
    ("The museum shows paintings from the last century.", "Modern art is on display in the gallery."),
    ("They were married in a small church.", "Their wedding took place in a little chapel."),
    ("The soup needs a bit more salt.", "This broth tastes bland without seasoning."),
    ("She swims in the lake before work.", "Every morning she goes for a dip in cold water."),
    ("The firm is hiring ten new engineers.", "The company is looking for technical staff."),
)
"""Pairs of str; each sentence is closer in meaning to the other of its pair than to any other here."""
