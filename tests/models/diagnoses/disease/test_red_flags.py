"""Dangers: every rule by its own texts, none by a denial, a stranger's symptom, the past or a question."""

import pytest

from models.diagnoses.disease.findings import Findings, read
from models.diagnoses.disease.knowledge import RedFlagRule, danger_words, red_flag_knowledge
from models.diagnoses.disease.patient import Patient, describe
from models.diagnoses.disease.phrases import compile_line, phrases
from models.diagnoses.disease.red_flags import Raised, citation, raised
from models.diagnoses.disease.vocabulary import vocabulary

RULES = {rule.name: rule for rule in red_flag_knowledge().rules}


def found(text: str, patient: Patient | None = None) -> list[Raised]:
    return raised(read([], text), patient or describe(text), text)


def flags(text: str, patient: Patient | None = None) -> set[str]:
    return {each.rule.name for each in found(text, patient)}


def emergencies(text: str, patient: Patient | None = None) -> set[str]:
    return {each.rule.name for each in found(text, patient) if each.rule.urgency == "emergency"}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_every_rule_names_known_symptoms_and_classes(rule: RedFlagRule) -> None:
    named = {name for group in (*rule.all_of, rule.unless, rule.means) for name in group}
    assert named <= set(vocabulary().names)
    classes = {*rule.unless_said, *rule.silenced_by}
    for line in map(compile_line, rule.said):
        classes |= {*line.classes, *line.barred, *(name for stretch in line.stretches for name in stretch.barred)}
    assert classes <= phrases().names
    assert citation(rule)


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, rule in RULES.items() for text in rule.fires])
def test_every_rule_is_raised_by_its_texts(name: str, text: str) -> None:
    assert name in flags(text)


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, rule in RULES.items() for text in rule.silent])
def test_no_rule_is_raised_by_texts_that_are_near(name: str, text: str) -> None:
    assert name not in flags(text)
    assert emergencies(text) == set()


def test_the_texts_of_a_rule_are_told_apart() -> None:
    for rule in RULES.values():
        assert len({*rule.fires, *rule.silent}) == len(rule.fires) + len(rule.silent), rule.name


def test_a_composed_class_is_made_of_classes() -> None:
    for name, lines in danger_words().composed.value.items():
        for line in map(compile_line, lines):
            assert line.classes <= phrases().names, name


@pytest.mark.parametrize(
    "text",
    [
        "No chest pain, sweating or breathlessness.",
        "She denies slurred speech, facial drooping, weakness on one side.",
        "No neck stiffness. Fever since yesterday.",
        "His father had chest pain and sweating.",
        "no suicidal thoughts",
        "runny nose, sneezing and a sore throat",
        "I had a heart attack five years ago. Now I have a cold.",
        "My grandmother died of a stroke, I have a sore toe",
        "Should I worry about a stroke when I get a headache?",
        "crushing chest pain: no, sweating: no, cough: yes",
        "what are the signs of meningitis",
    ],
)
def test_denied_past_asked_or_harmless_words_raise_no_emergency(text: str) -> None:
    assert not emergencies(text)


@pytest.mark.parametrize(
    "text",
    [
        "I can't breathe and my chest hurts",
        "not sure whether I took 30 paracetamol tablets or 20",
        "my father is having crushing chest pain right now",
        "no relief from the crushing chest pain, sweating",
        "I had a heart attack five years ago and now the crushing chest pain is back, sweating",
        "fever, no rash, stiff neck, headache",
        "cheast pian going down my left amr and im swetting",
        "he isnt breathing",
        "I don't want to live any more",
    ],
)
def test_a_danger_is_not_dropped_for_a_doubt_or_a_slip(text: str) -> None:
    assert emergencies(text)


@pytest.mark.parametrize(
    "text",
    [
        "someone's parked a car on my chest, left arm tingling",
        "my angina comes more often this week, just walking to the loo brings it on",
        "did a line of coke and now bad chest pain",
        "60 units of novorapid instead of lantus by mistake",
        "double dosed my methadone and feel drowsy",
        "i dont wanna be alive anymore",
        "everyone would be happier if i was gone",
        "keep thinking of driving my car into a wall",
        "cant cope no more want it to be over",
        "knocked a saucepan of soup down my front, my thighs are raw and the skin is coming off",
        "barbecue flared up in my face, blisters on my cheeks",
        "leg in plaster, pain getting unbearable, toes tingling",
        "gran fell, her leg is turned out and shorter",
        "my nuts really hurt since football, came on all of a sudden",
        "baby rolled off the changing table, big soft swelling on the side of her head",
        "insulin pump came off, sugars off the scale, breathing heavy and fast",
        "half of my face won't move and I can't shut the eye",
    ],
)
def test_a_danger_is_known_by_part_event_and_how_bad_it_is(text: str) -> None:
    assert emergencies(text)


@pytest.mark.parametrize(
    "text",
    [
        "tight chest when I walk uphill, goes off in two minutes when I stop, same for months",
        "day two of my period, a bit heavier than usual with a couple of small clots",
        "a bit of bright red on the paper when I wipe, itchy bum, constipated",
        "my fingers go white in the cold and tingle when they warm up, for years",
        "my 20 month old isn't talking yet",
    ],
)
def test_what_is_stable_or_usual_is_no_emergency(text: str) -> None:
    assert not emergencies(text)


@pytest.mark.parametrize(
    "text",
    [
        "I swallowed three boxes of ibuprofen last night",
        "my girlfriend has taken 2 packets of co-codamol",
        "there are empty packets of sertraline next to her and she won't talk",
        "had a whole box of nurofen after the row, not feeling anything",
        "swallowed forty co-codamol an hour ago",
        "my left eye has just gone dark, nothing there",
        "sight in one eye vanished while I was washing up",
        "everything went black in my right eye an hour ago and I can't see out of it",
        "dizzy all of a sudden, seeing double and keep veering to the right",
        "mum is giddy since this morning and chokes on water",
        "sees two of me and keeps falling to the left",
        "GTN under my tongue twice and the tightness hasn't gone",
        "angina is coming on when I get dressed now, it never did before",
        "my angina wakes me at night since last week",
        "as if someone is hugging me too hard and I'm sweating and feel sick",
        "like a tight corset round me and a dragging feeling down both arms",
        "squeezing that goes up into my jaw, I'm drenched in sweat",
        "squirted nail glue in my eye by mistake",
        "hair dye ran into her eyes and it burns",
        "went over the handlebars, next thing I knew I was in the ambulance bay, no memory of the fall",
        "fell at football, can't recall the rest of the match",
        "tackled in rugby this afternoon and has no memory of the game",
        "got zapped by the toaster, my arm tingles and heart is racing",
        "shock off the washing machine plug, thrown back against the wall",
        "sudden sharp pain on the left side of my chest, can't get a full breath",
        "on empagliflozin and throwing up all day, sugars are normal",
        "my right hand keeps dropping the cup since this morning",
        "he sounds drunk but he hasn't touched a drop",
        "wife can't do buttons with her left hand since breakfast",
        "please kill me, I can't take this any more",
        "I want someone to kill me",
        "was watching a film when my chest went tight and my arm is numb",
        "reading a book and suddenly can't speak",
        "bitten by a mosquito, my tongue started to swell",
        "burnt my hands on the oven, big blisters",
        "scalded his chest with tea, skin peeling",
        "ache in my jaw, gone grey and sweaty",
        "numb between my legs since yesterday, bladder and bowels normal so far",
        "sciatica and my bum is numb",
        "hit my head two days ago, scan normal but now vomiting and drowsy",
        "my finger snapped back and is pointing the wrong way",
        "I think I am having a heart attack",
        "she's necked all her mum's heart pills",
        "downed a month's supply of my antidepressants an hour ago",
        "I've just taken everything in the medicine cabinet",
        "my toddler has been at the dishwasher tablets, there's blue foam round her mouth",
        "grandson found chewing granny's water tablets",
        "took about 25 of them, the pink ones, I feel sleepy",
        "my friend won't stop vomiting after eating mushrooms we picked in the wood",
        "drank some antifreeze thinking it was squash",
        "I can't see any reason to keep going, I have written the letters",
        "I am going to jump",
        "my husband says the kids would be better off if he weren't around and he's cleared out his desk",
        "I have the tablets lined up in front of me",
        "been cutting tonight, deeper than usual",
        "he's gone a funny colour and isn't taking breaths",
        "she makes one gasp every so often and is limp",
        "the left corner of my mouth has dropped and tea dribbles out",
        "dad woke up and the words come out as nonsense",
        "my leg and arm on the right just stopped obeying me for ten minutes, back now",
        "couldn't feel the left half of my face or hand for a quarter of an hour, it's gone now",
        "nan can't lift her left arm and is looking only to the right",
        "weight on my breastbone since I shovelled snow, spreading to my shoulder",
        "like a fist squeezing behind my breastbone, twenty minutes, I feel sick",
        "dull ache across my chest, left arm like lead, came on at rest",
        "woke at 4am with indigestion that won't shift, dripping with sweat and pale",
        "diabetic, 71, suddenly washed out and breathless with a cold sweat",
        "jaw ache whenever I climb the stairs, today it came at rest and I went clammy",
        "ate satay, lips tingling and swelling, throat feels funny",
        "covered in hives after the antibiotic and feel like I will pass out",
        "wasp stung him in the mouth",
        "EpiPen used ten minutes ago, still wheezing",
        "11 weeks pregnant and passing clots",
        "period is two weeks late, one sided belly pain and shoulder tip ache",
        "34 weeks and baby hasn't kicked since yesterday",
        "my waters went at 30 weeks",
        "32 weeks, pounding headache and sparkly lights in front of my eyes",
        "two days after the birth, soaked four pads in an hour",
        "had chemo last Tuesday, shivering and 38.3",
        "no spleen, temperature 39 and feel rotten",
        "a curtain has come down over one eye",
        "woke up and can't see anything out of my left eye",
        "oven cleaner sprayed into my eyes",
        "cement dust got in his eye, it is red and he can't open it",
        "hammering a nail, a bit flew off and hit my eye, sight is blurred",
        "ball pain woke me up, one sits higher",
        "back went last week, now I can't tell when I need a wee and my bum feels numb",
        "both legs going weak and I have wet myself, back pain",
        "foot is white, ice cold and numb, came on an hour ago",
        "left leg suddenly cold and pale and it hurts like mad",
        "on warfarin and banged my head on the cupboard",
        "clear watery fluid is dripping from his nose since the crash",
        "kettle over his tummy, skin coming off in sheets",
        "acid splashed over my forearm, skin has gone white",
        "CO alarm is going and we all feel dizzy",
        "bbq in the tent, we woke with splitting heads and vomiting",
        "rigors, not peed all day, skin blotchy, talking rubbish",
        "mum's had a water infection and now she's hot, shaky and doesn't know us",
        "fever, can't bear the light, neck won't bend",
        "purple spots that stay when I roll a glass over them, he's burning up",
        "3 week old feels hot and won't feed",
        "baby is floppy and hard to wake",
        "five month old, grunting with each breath and ribs sucking in",
        "tearing pain from chest into my back, worst ever",
        "sudden ripping pain between my shoulder blades and I nearly fainted",
        "gran is choking on a piece of meat and can't make a sound",
        "type 1, being sick, ketones 4.2",
        "very thirsty, weeing all the time, now vomiting and breath smells of pear drops, lost weight",
        "took my insulin but didn't eat, sweaty, shaking and talking gibberish",
        "tummy is hard as a board and I can't move for pain",
        "green vomit and a bloated belly, not passed wind for two days",
        "pain started round the navel, now low on the right, feverish and can't straighten up",
        "throwing up stuff like coffee grounds",
        "black sticky tar coming out of me and light headed",
        "long flight on Monday, calf is swollen and now I'm puffed walking across the room",
        "sharp pain when I breathe in, coughed up blood, on the pill",
        "can't get a sentence out, blue inhaler is doing nothing",
        "he's been fitting for seven minutes",
        "first ever fit this morning, bit her tongue, still groggy",
        "passed out on the football pitch, mid sprint",
        "worked on the roof in the sun, hot, confused and stopped sweating",
        "found grandad in the garden at dawn, freezing cold and mumbling",
        "four year old drooling, leaning forward, noisy breathing and high fever",
        "barking cough and he's sucking in at the neck even when calm",
        "74, temple headache and I lost the sight in one eye for a bit",
        "haven't been able to pass a drop for 14 hours, bladder is agony",
        "back from Malawi two weeks ago, shaking chills and fever",
        "I have Addison's and I can't keep my hydrocortisone down",
        "knee is red hot, swollen and I feel feverish, can't bend it",
        "tingling began in my feet, now legs so weak I can't climb stairs, and it's moving up",
        "graze on my shin, pain is off the scale, skin is dusky and I feel awful",
        "pulled from the pool not breathing for a bit, now coughing",
        "adder bite on my hand, arm is swelling",
        "bone is poking out of my shin",
        "sliced the end of my thumb off with a mandolin",
        "blood is pumping out of my arm",
        "stab wound to the stomach",
        "swallowed a button battery",
        "six month old swallowed a magnet",
        "sudden thunderclap headache during sex",
        "headache like being hit by a bat, neck stiff",
        "eye is rock hard and red, haloes round lamps and vomiting",
        "tongue is swelling since I started ramipril",
        "can't swallow my own saliva, voice is muffled, fever",
        "heart is going 180 and I feel faint",
        "pulse 38 and keep nearly passing out",
        "BP 210 over 125 with a terrible headache and blurred vision",
        "erection for five hours, agony",
        "stopped drinking three days ago, seeing spiders and shaking",
        "in labour and I can see the cord",
        "35 weeks, tummy rock hard and won't relax",
        "hearing voices telling me to hurt my baby",
        "hit by a car, neck hurts and fingers tingle",
        "cancer in my bones, legs have gone weak this week",
        "pulsing lump in my tummy and sudden back pain",
        "sats 88 percent",
        "glucose 1.9",
        "he's hot to touch, 2 months old",
        "lips have gone blue",
        "my mum is suddenly not making sense",
        "my flatmate has swallowed loads of her epilepsy pills and is slurring",
        "accidentally gave my baby ten times the calpol dose",
        "he drank the stuff you clean the drains with",
        "kid licked the vape liquid bottle and is now very pale",
        "I don't want to wake up tomorrow",
        "life isn't worth it and I've bought a rope",
        "he sent a goodbye text and isn't answering his phone",
        "my dad is on the floor, no response, not sure he's breathing",
        "woke with a lopsided face and my speech is mushy",
        "grandma started talking gibberish at lunch and can't hold her fork",
        "lost the use of my left hand for five minutes at work, fine now",
        "everything on the left side has gone numb, including my face",
        "room is spinning, my speech is slurred and I can't walk in a line",
        "central chest pressure, goes to my back teeth, feels like doom",
        "chest feels like it's in a vice, ten minutes now",
        "burning in my chest and both arms ache, clammy",
        "felt faint with a heavy chest pushing the mower, still there after resting",
        "bad pain between the shoulder blades with sweating, I'm 64 and diabetic",
        "so short of breath since this morning I can't finish a cup of tea, ankles up, 80",
        "pink frothy spit and can't lie flat",
        "face is puffing up after the prawns and my voice has gone hoarse",
        "stung by bees, dizzy, blotchy all over and being sick",
        "positive pregnancy test last week, terrible pain low on the left, feel faint",
        "29 weeks, bright red blood, no pain",
        "baby's movements are much less today, I'm 38 weeks",
        "tightenings every four minutes and I am only 31 weeks",
        "pregnant, my hands and face have ballooned and I see stars",
        "gave birth nine days ago, foul discharge, shivering, temperature",
        "kidney transplant, feverish and feel dreadful",
        "half of what I look at is missing since I woke",
        "loads of floaters then a black shadow from the side in my left eye",
        "brick acid in my eye, rinsed it but it still burns",
        "a dart hit my son in the eye",
        "lower tummy and left testicle agony since an hour",
        "can't feel the toilet paper when I wipe, sciatica down both legs",
        "my arm went white and cold with no pulse at the wrist",
        "head hit the kerb, out cold for a minute",
        "toddler fell from the window sill, one pupil bigger than the other",
        "old man fell two days ago, takes apixaban, headache getting worse and he's muddled",
        "chip pan fat over my hand and wrist, it's white and doesn't hurt",
        "firework went off in his face",
        "pulled a mug of tea over himself, he's one, chest is blistering",
        "struck by lightning",
        "petrol generator in the cellar, dad passed out",
        "shaking all over, temp 40.1, heart going like the clappers after the catheter was changed",
        "child very sleepy with fever, hands and feet icy, mottled legs",
        "newborn won't feed, jaundiced and floppy",
        "baby has gone blue round the mouth",
        "the soft spot is bulging and he screams when lifted",
        "my aneurysm was 5 cm, now awful back pain and I'm cold and sweaty",
        "a grape is stuck in her throat and she's going purple",
        "pump failed overnight, sugars HI, tummy pain and panting",
        "diabetic found unresponsive",
        "doubled up with sudden belly pain, rigid, can't bear to be touched",
        "bringing up bright red blood",
        "maroon blood pouring from my back passage, dizzy",
        "hernia is purple and agony",
        "appendix area pain, worse when I cough, sick and hot",
        "baby draws up knees and screams, in between pale, nappy like redcurrant jelly",
        "pain in my chest when I breathe, breathless suddenly, two weeks after my hip op",
        "asthma, lips grey and too tired to breathe",
        "one fit after another, not waking between",
        "collapsed while swimming lengths",
        "fainted with palpitations, my brother died suddenly at 30",
        "hot car, dog walker found the toddler limp",
        "fell in the river, shivering stopped, drowsy",
        "stridor and drooling, won't lie down, 3 years old",
        "tooth abscess, my neck is swelling and I can't swallow",
        "came home from Nigeria last week, high fever and confused",
        "joint replacement knee suddenly hot and swollen with fever",
        "legs paralysed over two days, breathing is getting hard",
        "skin going black around the cut and the pain is unbearable",
        "shot in the leg with a nail gun, bleeding won't stop",
        "his foot got run over, toes are blue and bent the wrong way",
        "fell on ice, hip agony, leg is shorter",
        "sprayed myself with weedkiller, breathing is tight, eyes streaming and drooling",
        "pool chemicals fumes, coughing and can't breathe",
        "after spin class my pee is cola coloured and thighs are rock hard",
        "high dose steroids stopped suddenly, vomiting and collapse",
        "black widow bit me, muscles cramping",
        "new confusion and fever in my 85 year old dad",
        "sudden deafness in one ear with spinning and slurred speech",
        "I am deaf in one ear and my face droops since yesterday",
        "tight plaster, fingers blue and pain unbearable",
        "bleeding after tonsils out five days ago, spitting clots",
        "nosebleed for an hour on warfarin won't stop",
        "vomiting blood after the weekend's drinking",
        "jaundiced, muddled and sleepy, drinks a lot",
        "yellow eyes, shivers and pain under my right ribs",
        "he ate peanuts and is scratching his throat, voice is croaky",
        "peak flow is a third of normal, exhausted",
        "can't stop bleeding after having a tooth out, on rivaroxaban",
        "husband's gone grey and sweaty and is clutching his chest",
        "there's an ache in my left arm and I feel sick and faint",
        "feels like a horse is standing on my breastbone",
        "my face has slipped on one side",
        "she can't smile evenly and mixes up her words",
        "I can't lift my right leg since this morning, it just hangs",
        "worst pain in my head ever, came like a bang",
        "he is burning up and talking to people who aren't there",
        "my lips and tongue are swelling after a nut bar",
        "took all my sleeping pills at once",
        "she drank weedkiller",
        "I'm standing on the bridge and want it to end",
        "he keeps saying he will hang himself",
        "16 weeks and bleeding heavily with cramps",
        "8 weeks pregnant, stabbing on the right and dizzy",
        "my baby isn't moving, 36 weeks",
        "leaking water at 28 weeks",
        "bleach in my eye",
        "can't see out of one eye all of a sudden",
        "his testicle hurts so bad he's crying",
        "I've no feeling when I wipe and can't pee",
        "cold blue foot with agonising pain",
        "banged her head, now she can't remember anything and is throwing up",
        "hot soup over the baby's arms, blistering",
        "gas fire on, all of us sick with headaches",
        "septic leg, shivering and confused",
        "stiff neck, temperature and the light kills my eyes",
        "floppy baby with a high temp",
        "pain ripped through my chest to my back",
        "choking on a sweet",
        "sugars 28 and vomiting",
        "sugar 2.2 and can't be woken",
        "rock hard belly and terrible pain",
        "vomiting blood",
        "my poo is black like tar and I'm faint",
        "breathless with a swollen painful calf",
        "wheezing so much I can't talk",
        "having a seizure now",
        "blacked out while jogging",
        "cancer treatment last week and now I feel hot and shivery",
        "not peed for a day and my stomach is bursting",
        "knees buckle and hands tingle, getting worse every day, now swallowing is difficult",
        "dad was pulled out of a frozen pond",
        "stabbed in the arm with a bottle, blood everywhere",
        "my finger is hanging off",
        "bone sticking through the skin",
        "snake got my ankle",
        "fell three metres from scaffolding and my back is agony",
        "mum's skin is mottled and she won't wake properly",
        "wife collapsed in labour",
        "gave birth on Sunday, pouring blood",
        "swallowed two magnets",
        "blew up a paint can on the fire, face burnt",
        "he has been kicked in the tummy by a horse and is white as a sheet",
        "someone spiked my drink, my friend is unresponsive",
        "took cocaine and my chest hurts",
        "ecstasy, boiling hot and confused",
        "her breathing has long gaps and she took morphine",
        "ran over by a tractor",
        "car crash, belly hurts where the belt was and I feel faint",
        "left shoulder tip pain after a blow to the ribs, dizzy",
        "meningitis going round uni, I have fever and a purple rash",
        "toddler swallowed drain cleaner",
        "gran fell and can't get up, hip hurts like hell",
    ],
)
def test_a_danger_in_other_words_is_an_emergency(text: str) -> None:
    assert emergencies(text)


@pytest.mark.parametrize(
    "text",
    [
        "finished a course of antibiotics, two boxes, now a sore throat gone",
        "took two packets of throat sweets, throat still scratchy",
        "vision goes a bit blurry when I am tired, need new glasses",
        "got a black eye from a punch at the weekend, vision is fine",
        "I have stable angina, well controlled. Sore knee after gardening",
        "tripped on the step, can't remember when I had my last tetanus jab, grazed knee",
        "got a shock from the bill, and I have a blocked nose",
        "little static shock from the car door, finger tingled for a second",
        "small hernia, goes back when I lie down, no pain",
        "hands drop things sometimes for years, carpal tunnel",
        "sounded drunk at the party, now hungover with a headache",
        "dry toast hangs up on the way down, it's been two months",
        "my bowels have changed, going four times a day since spring",
        "my stools are pencil thin lately",
        "losing weight for no reason",
        "food got stuck in my teeth and gum is sore",
        "my dad asks the same question again and again, getting worse over two years",
        "grandad keeps forgetting names and gets lost on the way to the shop, it crept up over months",
        "the nurse asked if I had chest pain, a racing heart or fainting and I have none of those. Itchy ankle",
        "in my novel the villain takes an overdose. I have a stuffy nose myself",
        "burning in both feet at night for months",
        "burning when I wee since yesterday, waterworks like razor blades",
        "sore throat and sweating with a temperature of 38.5",
        "sciatica for three weeks from my buttock down to my toes with pins and needles, waterworks fine",
        "opening the gas bill nearly gave me a heart attack lol. runny nose",
        "my son gave me a heart attack jumping out at me, I have a cold sore",
        "If my throat closed up I would call an ambulance, but it is only a scratchy throat",
        "my tongue swelled up once when I was a child. Now a cold",
        "a black eye from walking into a door, bruise is yellow",
        "dizzy heights of success, I have a runny nose",
        "my eyes are watering from chopping onions, a black smudge of mascara under one eye",
        "I want to jump in the bath and never get out, my legs ache from the run",
        "jumped on the trampoline, ankle a bit sore",
        "fell in love with a new novel, stayed up reading, eyes are dry",
        "took a packet of crisps on the hike, now bloated",
        "two packs of beers last night, hungover, headache",
        "boxes of tissues gone with this cold",
        "my bra is too tight and has left red marks under my breasts, itchy",
        "belt off the gas for dinner, ate too late, bit of heartburn",
        "I dropped my phone on my foot, bruise on the toe",
        "hair dye stained my forehead, skin a bit itchy",
        "the vision test at school was fine, he just has pink eye",
        "went to the cinema, lights went out, fell asleep, stiff neck today",
        "sounded drunk because I was drunk, lol, headache today",
        "feeling dizzy from laughing so much, cheeks ache",
        "the dog knocked my wine over, hand slightly red from scrubbing",
        "had a fit of giggles, tummy muscles sore",
        "fitting a kitchen all week, my knees ache",
        "dress fitting today, nervous and sweaty palms",
        "lost weight on slimming world, feel great, dry skin on elbows",
        "nosebleed for two minutes after picking my nose, stopped",
        "hernia repair years ago, scar itches sometimes",
        "angina runs in the family, I just have a blocked nose",
        "heart attack of the lasagne kind lol, bit full and windy",
        "I'm dead tired and my back is stiff",
        "mosquito bites, scratching like mad",
        "my voice is hoarse after karaoke last night",
        "ears popped on the plane, hearing muffled, better now",
        "a burning smell came from the toaster, I have a cold",
        "the film had a stroke victim in it, made me sad. I have a stye",
        "worried about meningitis because of the news, but I only have a runny nose",
        "I read that chest pain can be a heart attack. I don't have any, just a sore toe",
        "if I had chest pain I'd ring, I only have hiccups",
        "no chest pain, no breathlessness, no fever, just a tickly cough",
        "sprayed deodorant and sneezed",
        "left hand is dry and cracked from washing",
        "toddler has a runny nose and is teething, drooling a bit, happy",
        "my baby spits up a little milk, thriving",
        "knee clicks when I climb stairs, no pain",
        "had chickenpox at school, now one spot on my chin",
        "eye floaters for years, no change",
        "got a mild electric shock from my jumper, ha",
        "ate too many grapes, runny tummy",
        "stubbed my toe, swore loudly, it is bruised",
        "mouth ulcer for two days",
        "my son swallowed a grape pip and is fine",
        "took my usual two tablets for hay fever, still sneezing",
        "missed one pill yesterday, no symptoms but a mild headache",
        "bit my cheek while eating, small sore",
        "constipated for three days, straining, no pain",
        "everyone at home has a cold, the heater is on all day, my skin is dry",
        "the boiler broke so we were cold, runny nose",
        "my grandfather lost his sight slowly with glaucoma. I have itchy eyes",
        "drove for six hours, bum numb, fine once I got out",
        "pins and needles in my hand when I wake up, shakes off",
        "ran a half marathon, legs like jelly and sore",
        "tight hamstrings after yoga",
        "can't stop eating chocolate, spots on my chin",
        "fell off my bike last year, scar is itchy",
        "period cramps same as every month, hot water bottle helps",
        "lipstick made my lips dry and peeling",
        "peeling nose after sun",
        "temperature of 37.2 and a sniffle",
        "three of us went camping, all bitten by midges",
        "I have a wart on my thumb and want it off",
        "my headphones hurt my ears",
        "sneezing when I dust, itchy nose",
        "blister on my heel from new shoes",
        "chapped lips in the winter",
        "head lice at school, itchy scalp",
        "cracked heels",
        "ingrown hair on my leg, small red bump",
        "dandruff",
        "flaky scalp for a month",
        "corn on my little toe",
        "a splinter in my finger came out, bit sore",
        "sunburnt shoulders, stings in the shower",
        "jet lagged and yawning",
        "my tattoo is itchy while it heals, no redness",
        "calf cramp in bed last night, gone now",
        "blow my nose all day, chest a bit rattly, light headed from the cold",
        "the dog hit my side with his tail lol, itchy nose",
        "ran over to the shop by car, feet ache",
        "went out running, calves sore",
        "trouble swallowing my pride, and a mild headache",
        "my hands tingle when I type",
    ],
)
def test_what_only_sounds_like_a_danger_is_no_emergency(text: str) -> None:
    assert not emergencies(text)


def test_angina_that_is_no_longer_stable_is_not_silenced() -> None:
    assert emergencies("tight chest when I walk uphill, goes off when I stop, but since this morning also at rest")


def test_a_rule_of_one_sex_knows_the_patient_as_told() -> None:
    text = "awful pain down there, came on suddenly"
    assert "Possible twisted testicle" in flags(text, Patient(sex="male"))
    assert "Possible twisted testicle" not in flags(text, Patient(sex="female"))


def test_difficulty_speaking_for_want_of_breath_is_no_stroke() -> None:
    assert not flags("difficulty speaking because of breathlessness at rest") & {
        "Possible stroke",
        "Sudden trouble speaking",
    }


def test_age_bounds_a_rule_and_sex_none() -> None:
    assert "Fever in a young baby" not in flags("fever", Patient(age=30))
    assert "Fever in a young baby" not in flags("fever", Patient())
    assert "Fever in a young baby" in flags("my 6 week old has a fever", Patient(age=30))
    assert "Bloody diarrhea in a child" not in flags("bloody diarrhea", Patient(age=40))
    assert "Bloody diarrhea in a child" in flags("bloody diarrhea", Patient())
    assert "Possible ectopic pregnancy" in flags("missed periods, pelvic pain", Patient(sex="male"))


def test_the_symptoms_or_the_words_that_raised_a_rule_are_named() -> None:
    symptoms = {each.rule.name: each.symptoms for each in raised(read(["fever", "neck stiffness", "cough"]), Patient())}
    assert symptoms["Possible meningitis"] == ("fever", "neck stiffness")
    told = {
        each.rule.name: each.words
        for each in raised(Findings(()), Patient(), "It's awful: I've burnt my face with hot oil!")
    }
    assert told["Severe burn"] is not None
    assert "burnt my face" in told["Severe burn"]


def test_a_number_is_a_danger_only_beyond_its_bound() -> None:
    assert "Very high blood pressure" in flags("BP 184/95")
    assert "Very high blood pressure" not in flags("BP 150/95")
    assert "Severe breathlessness" in flags("sats 88%")
    assert "Severe breathlessness" not in flags("sats 97%")
    assert "Possible hypothermia" not in flags("34 weeks old sofa, 34 years old")


@pytest.mark.parametrize("number", ["0" * 5000, "9" * 5000, "²", "①", "٣"])
def test_a_number_that_python_does_not_read_is_no_fault(number: str) -> None:
    assert flags(f"I took {number} and feel fine") == set()
    assert flags(f"I took 30 tablets at once, not {number}") == flags("I took 30 tablets at once")
