"""Domains of the generated text, without trade in goods: that joins in phase two (``shop``).

A field line is ``key;kind;question|question;answer|answer`` with ``{v}`` for the value; generic
wordings made from the key join these in ``phrases``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Field:
    """One entry a record can hold."""

    key: str
    kind: str
    asks: tuple[str, ...]
    tells: tuple[str, ...]


@dataclass(frozen=True)
class Domain:
    """A kind of business: what its records hold and what its customers want to do.

    ``acts`` are (infinitive, gerund) pairs, ``events`` what deadlines are counted from.
    """

    noun: str
    key: str
    fields: tuple[Field, ...]
    acts: tuple[tuple[str, str], ...]
    events: tuple[str, ...]
    teams: tuple[str, ...]


def domain(noun: str, key: str, lines: str, acts: str, events: str, teams: str) -> Domain:
    """A domain from its compact form."""
    fields = []
    for line in lines.strip().splitlines():
        name, kind, asks, tells = (part.strip() for part in line.split(";"))
        fields.append(
            Field(
                name,
                kind,
                tuple(a for a in asks.split("|") if a),
                tuple(t for t in tells.split("|") if t),
            )
        )
    pairs = [tuple(p.split("/")) for p in acts.split("|")]
    return Domain(
        noun,
        key,
        tuple(fields),
        tuple((p[0], p[1]) for p in pairs),
        tuple(events.split("|")),
        tuple(teams.split("|")),
    )


DOMAINS = (
    domain(
        "booking", "booking number",
        """hotel;brand;which hotel am I in|where do I stay;You stay at {v}|It is the {v} hotel
        guest;name;who is the guest|what name is it under;It is under the name {v}
        check-in;date;when can I check in|when do I arrive;\
          You check in on {v}|Your stay starts on {v}
        check-out;date;when do I have to leave|when does my stay end;You leave on {v}
        room;thing;which room did I get|what kind of room is it;\
          You have the {v}|We keep the {v} for you
        price;money;what will the stay cost|how much is it a night;\
          The stay costs {v}|It comes to {v}
        nights;count;how many nights is it;It is {v} nights
        booking status;state;is my room ok|how does my booking stand;Your booking is {v}""",
        "move the stay/moving the stay|change the room/changing the room|"
        "bring a pet/bringing a pet|"
        "drop the booking for free/dropping the booking for free|add a guest/adding a guest",
        "check-in|the booking|arrival at the hotel", "front desk|hotel manager|booking office",
    ),
    domain(
        "membership", "member number",
        """plan;thing;what plan am I on|which gym plan do I have;You are on the {v} plan
        club;brand;which club is mine|where do I train;You train at {v}|Your club is {v}
        trainer;name;who is my trainer|who trains me;Your trainer is {v}|{v} trains you
        monthly fee;money;what do I pay a month|how much is the gym;You pay {v} a month
        next class;date;when is my next class|what day is my class;Your class is on {v}
        locker;id;which locker is mine;You have locker {v}
        membership status;state;am I still a member|is my membership fine;Your membership is {v}""",
        "freeze the membership/freezing the membership|leave the gym/leaving the gym|"
        "switch clubs/switching clubs|bring a friend/bringing a friend",
        "joining|the last payment|the start of the month", "club office|trainers|member desk",
    ),
    domain(
        "loan", "library card",
        """title;thing;which book do I have|what did I borrow;\
          You borrowed {v}|The book is called {v}
        author;name;who wrote it|who is the author;It was written by {v}
        due date;date;when must I bring it back|until when can I keep it;\
          Please bring it by {v}|You can keep it until {v}
        branch;place;which library is it|where do I hand it in;\
          Bring it to {v}|It belongs to the {v} library
        fine;money;what do I owe you|how big is my fine;You owe {v}|The fine is {v}
        renewals;count;how many times did I renew;You renewed it {v} times
        loan status;state;what is going on with my loan;The loan is {v}""",
        "renew the book/renewing the book|keep the book longer/keeping the book longer|"
        "reserve a title/reserving a title|borrow a film/borrowing a film",
        "the due date|the loan|the last renewal", "reading room|library desk|archive",
    ),
    domain(
        "line", "contract number",
        """tariff;brand;what tariff do I have|which plan is my phone on;\
          Your tariff is {v}|You use the {v} plan
        data left;count;how much data is left|how many gigabytes do I have;You have {v} GB left
        sim;id;what is my sim number;Your SIM is {v}
        speed;count;how fast is my internet;Your line runs at {v} Mbit
        contract end;date;when does my contract run out|how long am I bound;\
          Your contract runs until {v}
        technician;name;who comes to fix the line;{v} will come to you|The technician is {v}
        last bill;money;how high was my bill|what did I pay last month;Your bill was {v}
        line status;state;does my line work|what is wrong with my internet;Your line is {v}""",
        "change the tariff/changing the tariff|keep the old number/keeping the old number|"
        "pause the line/pausing the line|use data abroad/using data abroad",
        "activation|the last bill|the start of the contract", "network team|billing team|"
        "mobile team",
    ),
    domain(
        "card", "customer number",
        """card ending;id;what are the last digits|which card is it;The card ends in {v}
        limit;money;how much can I spend|what is my limit;You can spend {v}|Your limit is {v}
        last payment;money;what was booked last|how much went off;The last payment was {v}
        merchant;brand;who took my money|where did I pay;It was booked by {v}|You paid at {v}
        expiry;date;when does my card run out;The card is good until {v}
        adviser;name;who looks after me at the bank;Your adviser is {v}
        branch;place;where is my bank branch;Your branch is at {v}
        card status;state;is my card working|can I use my card;Your card is {v}""",
        "raise the limit/raising the limit|dispute a payment/disputing a payment|"
        "open a second account/opening a second account|skip a rate/skipping a rate",
        "the payment|opening the account|the last statement", "fraud team|loan office|card desk",
    ),
    domain(
        "ticket", "ticket code",
        """event;brand;which show is it|what am I going to see;It is for {v}|You will see {v}
        seat;id;where do I sit|which seat is mine;You sit in {v}|Seat {v} is yours
        venue;place;where is the show|where do I have to go;It takes place at {v}
        doors;time;when do the doors open|from what time can I come in;Doors open at {v}
        show date;date;what day is the concert;The show is on {v}
        price;money;what did the ticket cost;The ticket cost {v}
        holder;name;whose name is on it;The ticket is made out to {v}
        ticket status;state;is my ticket valid;The ticket is {v}""",
        "swap the seat/swapping the seat|give the ticket to a friend/giving the ticket to a friend|"
        "upgrade the seat/upgrading the seat|move to another evening/moving to another evening",
        "the show|the sale|opening night", "box office|venue staff|seating team",
    ),
    domain(
        "meter", "supply number",
        """reading;id;what was my last reading|what does the meter say;The meter shows {v}
        provider;brand;who supplies my power|who is my electricity from;\
          {v} supplies you|You get it from {v}
        monthly rate;money;what do I pay for power|how high is my rate;Your rate is {v}
        visit;date;when will someone read the meter|when is the visit;\
          We read it on {v}|The visit is on {v}
        engineer;name;who is coming;{v} comes to you
        outage;span;how long will the power be off;It will take {v}
        supply;place;which flat is it for;It is for {v}
        supply status;state;is the power back;The supply is {v}""",
        "pay in parts/paying in parts|change the rate/changing the rate|"
        "send the reading late/sending "
        "the reading late|end the supply/ending the supply",
        "moving in|the reading|the last bill", "grid team|meter service|billing office",
    ),
    domain(
        "claim", "claim number",
        """insured;thing;what is insured|what is the claim about;The claim is for the {v}
        handler;name;who handles my claim|who is working on it;{v} handles it|Your handler is {v}
        payout;money;how much do I get|what will you pay me;You get {v}|We will pay {v}
        excess;money;what do I have to carry myself;You carry {v} yourself
        loss date;date;when did it happen;It happened on {v}
        workshop;brand;which workshop do I go to;Please go to {v}
        time needed;span;how long does it take;It takes about {v}
        claim status;state;is my claim through|any news about my claim;Your claim is {v}""",
        "file the claim/filing the claim|add photos/adding photos|choose another workshop/choosing "
        "another workshop|take the money instead/taking the money instead",
        "the accident|the loss|the letter", "claims team|legal team|expert office",
    ),
    domain(
        "appointment", "patient number",
        """doctor;name;which doctor do I see|who will see me;You see {v}|{v} will see you
        day;date;what day is my appointment|when am I due;You are due on {v}|We see you on {v}
        time;time;at what time do I come|what time is it;Please come at {v}
        room;id;which room do I go to;Go to room {v}
        clinic;place;where is the clinic;The clinic is at {v}
        bring;thing;what should I bring;Please bring the {v}
        length;span;how long will I be there;Plan {v} for it
        visit status;state;is my visit fixed;Your visit is {v}""",
        "move the visit/moving the visit|bring a relative/bringing a relative|"
        "see another doctor/seeing another doctor|call the visit off/calling the visit off",
        "the visit|the test|the last treatment", "nurse|lab team|front office",
    ),
    domain(
        "rental", "rental code",
        """car;thing;what car do I get|which car is it;You get the {v}
        company;brand;who rents it to me;It is rented by {v}
        pick-up;place;where do I pick up the car;Pick it up at {v}
        pick-up time;time;at what hour can I pick it up;You can have it at {v}
        drop-off;date;when must the car be back;Hand it in on {v}
        deposit;money;how big is the deposit|what do you block on my card;The deposit is {v}
        driver;name;who may drive;{v} may drive
        plate;id;what is the plate;The plate is {v}
        rental status;state;is the car ready;The rental is {v}""",
        "keep the car longer/keeping the car longer|add a driver/adding a driver|"
        "cross the border/crossing the border|"
        "hand the car in elsewhere/handing the car in elsewhere",
        "pick-up|signing|the drop-off", "rental desk|road help|damage office",
    ),
    domain(
        "course", "student number",
        """course;thing;which course am I in|what am I learning;You are in the {v} course
        teacher;name;who teaches it|who is my teacher;{v} teaches it|Your teacher is {v}
        start;date;when does it begin|first day of the course;It begins on {v}
        lesson;time;what time is the lesson;The lesson is at {v}
        school;brand;which school is it;It is at {v}
        tuition;money;what are the costs of the course;The course costs {v}
        points;count;how many points do I have;You have {v} points
        exam code;id;what is my exam code;Your exam code is {v}
        place status;state;did I get in|do I have a place;Your place is {v}""",
        "change the group/changing the group|retake the exam/retaking the exam|"
        "hand in the essay late/handing in the essay late|leave the course/leaving the course",
        "the first lesson|the exam|signing up", "course office|exam board|teachers",
    ),
    domain(
        "repair", "job number",
        """device;thing;what are you repairing|which device is it;We are repairing the {v}
        mechanic;name;who is fixing it;{v} is fixing it
        part;id;which part do you need;We need part {v}
        estimate;money;what will the repair cost;The repair will cost {v}
        ready;date;when is it done|when can I fetch it;It is done on {v}|You can fetch it on {v}
        workshop;place;where is your workshop;You find us at {v}
        maker;brand;who made it;It was made by {v}
        repair status;state;how far are you|is the repair done;The repair is {v}""",
        "stop the repair/stopping the repair|get a spare device/getting a spare device|"
        "wait in the shop/waiting in the shop|have it cleaned too/having it cleaned too",
        "handing it in|the estimate|the last repair", "workshop|parts desk|bench team",
    ),
    domain(
        "journey", "travel code",
        """train;id;which train is it;It is train {v}
        from;place;where do I start;You start in {v}
        to;place;where does it go;It goes to {v}
        leaves;time;when does it leave|what time do I go;It leaves at {v}
        platform;count;which platform;It goes from platform {v}
        coach;id;which coach am I in;You are in coach {v}
        fare;money;what was the fare;The fare was {v}
        passenger;name;who is travelling;{v} is travelling
        bag;thing;what did I leave on the train;We found the {v}
        journey status;state;is my train fine|is the train on time;The train is {v}""",
        "take a later train/taking a later train|bring a bike/bringing a bike|"
        "change the seat/changing the seat|break the journey/breaking the journey",
        "departure|the trip|the sale of the fare", "station staff|lost property|train crew",
    ),
)  # fmt: skip
