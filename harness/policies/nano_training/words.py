"""Word lists: entities of the generated text, and common English for the tokenizer."""

from __future__ import annotations

FIRST = (
    "Ana Ben Carla Dan Eva Finn Greta Hugo Ines Jonas Kira Leo Mara Nils Olga Pablo Rosa Sam Tara "
    "Ugo Vera Will Yara Zoe Amir Bruno Chloe Dora Emil Farah Gus Hana Ivan Jana Karim Lena Milo "
    "Nora Omar Petra Quinn Rui Sofia Tom Uma Victor Wanda Xena Yusuf Lucas Marta Paul Anna Peter "
    "Maria John Sarah David Laura James Emma Alex Nina"
).split()
PLACES = "House Park Bay Hill Group Line North Centre Lodge Garden Point Works Union First".split()
STREETS = "Street Road Lane Avenue Square Way Drive Court Place Row".split()
NOUNS = (
    "lamp chair table pillow blanket jacket scarf mug bottle kettle pan knife bag backpack wallet "
    "watch ring phone tablet laptop keyboard mouse cable charger speaker headphones camera printer "
    "book notebook pen poster frame mirror clock candle vase basket towel curtain rug shelf desk "
    "sofa bed mattress shirt sweater coat dress skirt jeans socks shoes boots sandals hat gloves "
    "belt umbrella tent bike helmet ball racket yoga mat toy puzzle doll game guitar piano drum "
    "fan heater oven toaster blender mixer plate bowl cup glass spoon fork box set kit pack room "
    "suite cabin plan course ticket seat class card policy loan locker pass garden tool drill "
    "hammer ladder paint brush rope bucket plant seed soap cream oil tea coffee snack"
).split()
ADJECTIVES = (
    "red blue green black white grey yellow orange pink purple brown silver golden small large big "
    "mini tall short long slim wide round square soft hard light dark warm cold wool cotton linen "
    "leather wooden metal steel glass plastic ceramic paper silk summer winter spring "
    "autumn travel "
    "kitchen garden office kids classic modern basic deluxe smart wireless portable "
    "folding running "
    "hiking family double single quiet sunny fast digital early late junior senior standard premium"
).split()
STATES = (
    "confirmed|pending|active|closed|on hold|in review|approved|rejected|paid|unpaid|open|expired|"
    "suspended|waiting for approval|ready|booked|checked in|cancelled|completed|blocked|new|"
    "under repair|on its way|delayed|missed|planned|scheduled|returned|overdue|reserved|frozen|"
    "in progress|not started|sent|received|being prepared|on the way|held at the desk|finished"
).split("|")

COMMON = """
the be to of and a in that have it for not on with he as you do at this but his by from they we say
her she or an will my one all would there their what so up out if about who get which go me when
make can like time no just him know take people into year your good some could them see other than
then now look only come its over think also back after use two how our work first well way even new
want because any these give day most us is are was were been has had did does doing said got
please thank thanks sorry hello hi hey help question answer ask reply email call phone number name
account customer agent service team support manager colleague department policy record rule rules
order orders ordered parcel package item items product products refund refunds refunded return
returns returned returning deliver delivers delivered delivery ship ships shipped shipping cancel
cancelled cancelling cancellation address warranty exchange exchanged carrier courier tracking
track status arrive arrives arrived arrival expected estimate late delay delayed lost missing broken
damaged defective wrong size colour color receipt invoice payment pay paid price cost costs fee fees
charge charged amount total money bank card credit gift voucher code discount sale final opened
unopened used unused original box label warehouse stock store shop website online purchase purchased
bought buy buying sent send sending receive received waiting wait today tomorrow yesterday week
weeks days month months hours minutes within before after until since more less than least most
under over limit limits allowed allow possible impossible eligible accept accepted refuse refused
decline declined approve approved deny change changed changes update updated check checked checking
confirm confirmed details detail information need needs needed must should may might shall cannot
can't don't won't isn't doesn't I'm I'll I've it's we're we'll you're you'll that's there's let's
unfortunately however apologise apologies apologize inconvenience trouble problem issue issues happy
glad sure course certainly absolutely right away soon moment here still already yet again never
always often sometimes could would let know tell show find found look looking given provide provided
share shared private security personal data hand pass passed forward transfer transferred contact
reach speak talk person human promise guarantee guaranteed offer offered free extra full partial
part half whole both either neither another same different between without because therefore
replacement replace repair repaired restocking store window deadline reason reasons condition
conditions apply applies valid expired open closed opening hours place placed date dates time times
order number item status carrier total amount paid delivered on delivery date days since delivery
return window refund method estimated arrival shipping address customer name none found unknown
unable asap ok okay yes no maybe fine great nice best kind regards welcome dear sir madam mr mrs ms
thx pls u ur gonna wanna hurry urgent angry annoyed ridiculous terrible awful patience patient
understand understood sounds good perfect exactly correct incorrect true false one two three four
five six seven eight nine ten twelve fifteen twenty thirty hundred restaurant hotel flight train bus
movie music song event concert doctor appointment reservation reserve table seats people city street
price range rating evening morning afternoon night noon show would like anything else have day
"""

SHOP = """
order orders parcel package item items product refund refunds refunded return returns returned
delivery deliver delivered shipping shipped ship cancel cancelled cancellation address warranty
exchange carrier courier tracking status arrive arrives arrived expected late delayed lost missing
broken damaged defective receipt payment paid price fee customer number name date within after
before until days since opened unopened used original window eligible accepted allowed unfortunately
sorry please thank confirmed cannot can't replacement
"""
