package api

import (
	"time"

	"coop/crdt/record"
)

// Version is the number in the field "v" of every answer. It grows when a field
// changes its meaning or goes away; fields may be added without notice.
const Version = 1

// Written is part of every answer to what may have written something.
type Written struct {
	ShutOut string `json:"shut_out,omitempty"` // who closed the door on this node, and why: nobody may come to hold what was written
}

// Warning says to people what an answer has in Written; "" if nothing.
func (w Written) Warning() string {
	if w.ShutOut == "" {
		return ""
	}
	return w.ShutOut + ". What is written here may have no effect"
}

// The answers. Amounts are decimal strings in the unit they stand beside, times
// are RFC 3339, ids are 52 characters of a-z and 2-7.
type (
	// Made answers everything that makes or changes something.
	Made struct {
		V       int         `json:"v"`
		ID      record.ID   `json:"id"`
		IDs     []record.ID `json:"ids,omitempty"`     // of an import
		Minuted bool        `json:"minuted,omitempty"` // it is final already
		Waits   string      `json:"waits,omitempty"`   // what it waits for if it is not
		Amount  string      `json:"amount,omitempty"`  // of a payment or a request
		Unit    string      `json:"unit,omitempty"`
		From    string      `json:"from,omitempty"`
		To      string      `json:"to,omitempty"`
		Status  string      `json:"status,omitempty"`
		Asked   bool        `json:"request,omitempty"` // of what was accepted: it was a request, and is paid
		Note    string      `json:"note,omitempty"`    // of what was accepted
		Written
	}

	// Words are the 24 words of a person's root key.
	Words struct {
		V     int    `json:"v"`
		Words string `json:"words"`
	}

	Status struct {
		V           int         `json:"v"`
		Coop        string      `json:"coop"` // its name
		CoopID      string      `json:"coop_id"`
		Succeeds    string      `json:"succeeds,omitempty"` // id of the co-op it goes on from
		Member      string      `json:"member"`             // this node's person; "" while not admitted
		MemberID    string      `json:"member_id"`
		Standing    string      `json:"standing"` // member, associate …
		Offices     []string    `json:"offices"`
		Device      string      `json:"device"` // its key
		DeviceName  string      `json:"device_name"`
		Joined      bool        `json:"joined"`
		Waits       string      `json:"waits,omitempty"`      // what a newcomer waits for
		CardWords   string      `json:"card_words,omitempty"` // of the card that this computer shows, until it is let in
		Records     int         `json:"records"`
		Heads       []record.ID `json:"heads"`
		Minuted     int         `json:"minuted"`                // records in the minutes
		Provisional int         `json:"provisional"`            // acts that are not
		Waiting     string      `json:"waiting,omitempty"`      // what the first of them waits for
		Tellers     []Teller    `json:"tellers"`                // by the minutes
		Advice      string      `json:"advice,omitempty"`       // what should be done about them
		OutOfReach  string      `json:"out_of_reach,omitempty"` // which of them lack where too few can be reached
		Reseatings  []Reseating `json:"reseatings"`
		Digest      string      `json:"digest"`
		Peers       []Peer      `json:"peers"`
		Problems    []Problem   `json:"problems"`
		Trouble     int         `json:"trouble"` // how much was cheated or went wrong, see Troubles
		ToVote      []Proposal  `json:"to_vote"`
		ToConfirm   []Payment   `json:"to_confirm"`
		ToAdmit     []Newcomer  `json:"to_admit"`
		Hidden      int         `json:"hidden,omitempty"` // more cards that ask for the recovery of somebody
		Gone        []Debt      `json:"gone"`             // who left or was expelled, owing
		Balances    []Balance   `json:"balances"`
		Addrs       []string    `json:"addrs"`
		Words       bool        `json:"words"` // the root key is on this computer
		Events      []string    `json:"events"`
		Broken      string      `json:"broken,omitempty"`   // why nothing can be written now
		Hint        string      `json:"hint,omitempty"`     // what to do about that
		ShutOut     string      `json:"shut_out,omitempty"` // who closed the door on this node, and why
		Clock       *Clock      `json:"clock,omitempty"`    // what should be said about this computer's clock
	}

	Clock struct {
		Text    string `json:"text"`
		Blocked bool   `json:"blocked"` // it closes no proposal and gives nothing an end
	}

	// Imported answers an import of a file, or what one would do.
	Imported struct {
		V         int            `json:"v"`
		IDs       []record.ID    `json:"ids,omitempty"` // of what was made, changed and closed
		New       []string       `json:"new"`           // titles
		Changed   []string       `json:"changed"`
		Gone      []string       `json:"gone"`              // of the lists in the file, and in it no more
		Same      int            `json:"same"`              // as they were
		Units     map[string]int `json:"units"`             // how many prices are in which unit
		Foreign   []string       `json:"foreign,omitempty"` // units that the co-op does not count in
		Encoding  string         `json:"encoding"`
		Separator string         `json:"separator"`
		Decimals  string         `json:"decimals"`        // point, comma, or unknown where the file has none
		Shown     string         `json:"shown,omitempty"` // where it shows that
		Unused    []string       `json:"unused,omitempty"`
		Twice     []string       `json:"twice,omitempty"` // rows that name what another names, in words
		First     []string       `json:"first"`           // rows, as they were read
		Written
	}

	// Seat is a device that keeps the minutes, or is to.
	Seat struct {
		Member string `json:"member"`
		Device string `json:"device"`
	}

	Teller struct {
		Member    string     `json:"member"`
		Device    string     `json:"device"`
		Here      bool       `json:"here"` // this computer
		Connected bool       `json:"connected"`
		Reached   bool       `json:"reached"` // here, connected, or there by what it wrote a short while ago
		Wrote     *time.Time `json:"wrote"`   // last, as its own clock said
	}

	Peer struct {
		Member    string    `json:"member"`
		Device    string    `json:"device"`
		Addr      string    `json:"addr"`
		Live      bool      `json:"live"`
		Heard     time.Time `json:"heard"`
		Equal     bool      `json:"equal"` // it holds the same records, by what it last said
		Receiving uint64    `json:"receiving"`
		Waits     string    `json:"waits,omitempty"`
		Agent     string    `json:"agent"`
	}

	Problem struct {
		Record record.ID `json:"record"`
		Kind   string    `json:"kind"`
		Author string    `json:"author"`
		Reason string    `json:"reason"`
		More   int       `json:"more,omitempty"` // further ones of this author and kind
	}

	Member struct {
		ID       record.ID `json:"id"`
		Name     string    `json:"name"`
		Standing string    `json:"standing"` // member, associate …; awaited: of the co-op before, and has not come yet
		Offices  []string  `json:"offices"`
		Teller   bool      `json:"teller"`
		Devices  []Device  `json:"devices"`
		Sponsor  string    `json:"sponsor"`

		Since *time.Time  `json:"since,omitempty"` // by the clock of who let them in, last if they came back
		Alike []record.ID `json:"alike,omitempty"` // others who have the name, or one that looks like it
		Owes  []string    `json:"owes,omitempty"`  // of who is gone: what their accounts are below zero, such as "4.50 euro"
	}

	// Debt is what somebody who is gone left behind.
	Debt struct {
		Who  string    `json:"who"`
		ID   record.ID `json:"id"`
		Owes []string  `json:"owes"`
	}

	Device struct {
		Name   string     `json:"name"`
		Key    record.Key `json:"key"`
		State  string     `json:"state"` // "in use", "revoked", "forked"
		Teller bool       `json:"teller"`
		Here   bool       `json:"here"`
	}

	Newcomer struct {
		ID     string    `json:"id"`
		Name   string    `json:"name"`
		Device string    `json:"device"`
		Of     string    `json:"of,omitempty"` // whose keys are lost, by what the card says
		Seen   time.Time `json:"seen"`
		Words  string    `json:"words"` // of the card, for people to compare by voice with what the other computer shows
		Asks   string    `json:"asks"`  // what for, and the command that does it
	}

	Listing struct {
		ID       record.ID  `json:"id"`
		Kind     string     `json:"kind"` // offer or need
		Status   string     `json:"status"`
		Title    string     `json:"title"`
		Text     string     `json:"text"`
		Category string     `json:"category"`
		Tags     []string   `json:"tags"`
		Price    string     `json:"price"`
		Quantity string     `json:"quantity"`
		Place    string     `json:"place"`
		Code     string     `json:"code,omitempty"` // by which its price list names it
		List     string     `json:"list,omitempty"` // the price list it is of
		Expires  *time.Time `json:"expires"`
		Owner    string     `json:"owner"`
		OwnerID  record.ID  `json:"owner_id"`
		Mine     bool       `json:"mine"`
		Comments []Comment  `json:"comments,omitempty"`
	}

	Comment struct {
		ID       record.ID `json:"id"`
		Author   string    `json:"author"`
		AuthorID record.ID `json:"author_id"`
		Text     string    `json:"text"`
	}

	Proposal struct {
		ID         record.ID  `json:"id"`
		Title      string     `json:"title"`
		Text       string     `json:"text,omitempty"`
		TextUnread string     `json:"text_unread,omitempty"` // why its text cannot be shown
		TextID     string     `json:"text_id,omitempty"`
		Rule       string     `json:"rule"`
		Status     string     `json:"status"`
		Author     string     `json:"author"`
		AuthorID   record.ID  `json:"author_id"`
		Effects    []Effect   `json:"effects"`
		Opened     time.Time  `json:"opened"`
		ClosesAt   *time.Time `json:"closes_at"`
		Over       bool       `json:"over,omitempty"` // open, and its time is over by this computer's clock: the tellers have to close it
		Members    int        `json:"members"`        // how many count where it passes, or would pass now, whoever could vote when it was opened
		YesOfThem  int        `json:"yes_of_members"` // how many of them said yes
		Electorate int        `json:"electorate"`
		Needed     int        `json:"needed"` // yes, to pass; 0 for a poll
		Yes        int        `json:"yes"`
		No         int        `json:"no"`
		Abstain    int        `json:"abstain"`
		Votes      []Vote     `json:"votes,omitempty"`
		Silent     []string   `json:"silent,omitempty"` // who has not voted yet
		Minuted    bool       `json:"minuted"`          // where it stands is final
		Waits      string     `json:"waits,omitempty"`
		Unseats    []string   `json:"unseats,omitempty"` // tellers whom it would put out, although they were re-seated since it was opened
		Comments   []Comment  `json:"comments,omitempty"`
	}

	Effect struct {
		Text   string `json:"text"`
		Words  string `json:"words,omitempty"`  // of a card that somebody gets new keys by, where one proposal was asked for
		Failed string `json:"failed,omitempty"` // why it did not take place
	}

	Vote struct {
		Member   string    `json:"member"`
		MemberID record.ID `json:"member_id"`
		Option   string    `json:"option"`
		Reason   string    `json:"reason"`
		Time     time.Time `json:"time"`
		Late     bool      `json:"late"`
		Replaced bool      `json:"replaced"` // by a later vote of theirs
		Waits    string    `json:"waits,omitempty"`
	}

	Draft struct {
		ID      record.ID `json:"id"`
		Title   string    `json:"title"`
		Text    string    `json:"text"`
		Owner   string    `json:"owner"`
		OwnerID record.ID `json:"owner_id"`
	}

	Payment struct {
		ID         record.ID `json:"id"`
		Asked      bool      `json:"request"`
		From       string    `json:"from"` // names for people, marked where they could mislead
		FromID     record.ID `json:"from_id"`
		To         string    `json:"to"`
		ToID       record.ID `json:"to_id"`
		Amount     string    `json:"amount"`
		Unit       string    `json:"unit"`
		Note       string    `json:"note"`
		For        string    `json:"for,omitempty"`
		Pays       string    `json:"pays,omitempty"`        // the request that it pays
		PaidBy     string    `json:"paid_by,omitempty"`     // the payment of a request
		Reverses   string    `json:"reverses,omitempty"`    // the payment that it gives back, or a part of
		ReversedBy []string  `json:"reversed_by,omitempty"` // payments that gave it back
		Returned   string    `json:"returned,omitempty"`    // how much of it came back so
		Time       time.Time `json:"time"`
		Status     string    `json:"status"`
		Minuted    bool      `json:"minuted"`
		Waits      string    `json:"waits,omitempty"`
	}

	Balance struct {
		Who       string    `json:"who"`
		ID        record.ID `json:"id"`
		Standing  string    `json:"standing,omitempty"` // member, left …; "" of the treasury and of who is awaited
		Unit      string    `json:"unit"`
		Balance   string    `json:"balance"`
		Reserved  string    `json:"reserved"`
		Limit     string    `json:"limit"` // how far below zero it may go
		Available string    `json:"available"`
		Awaited   bool      `json:"awaited,omitempty"` // its owner has not come yet
	}

	// Budget is a budget line, and what was paid of it.
	Budget struct {
		Proposal record.ID `json:"proposal"`
		Line     uint32    `json:"line"`
		For      string    `json:"for"` // title of the proposal
		To       string    `json:"to"`
		Unit     string    `json:"unit"`
		Total    string    `json:"total"`
		Paid     string    `json:"paid"`
		Left     string    `json:"left"`
		Next     string    `json:"next"`           // so much may be paid at once
		Part     int64     `json:"part,omitempty"` // which part comes next
		Parts    uint32    `json:"parts,omitempty"`
		Days     uint32    `json:"days,omitempty"`  // between them
		Ended    bool      `json:"ended,omitempty"` // by a decision: no more is paid
	}

	// Accept is a clause of a standing rule: what is accepted by itself.
	Accept struct {
		Max  string   `json:"max"`
		Unit string   `json:"unit"`
		From []string `json:"from"` // names; empty: anyone
	}

	LogEntry struct {
		Place   int       `json:"place"`
		ID      record.ID `json:"id"`
		Kind    string    `json:"kind"`
		Author  string    `json:"author"`
		Device  string    `json:"device"`
		Time    time.Time `json:"time"`
		Minuted bool      `json:"minuted"`
		Problem string    `json:"problem,omitempty"`
	}
)

// The lists, each an object with one array named by its plural.
type (
	Members struct {
		V       int      `json:"v"`
		Members []Member `json:"members"`
	}
	Devices struct {
		V       int      `json:"v"`
		Devices []Device `json:"devices"`
	}
	Listings struct {
		V        int       `json:"v"`
		Listings []Listing `json:"listings"`
	}
	Proposals struct {
		V         int        `json:"v"`
		Proposals []Proposal `json:"proposals"`
		Drafts    []Draft    `json:"drafts"`
	}
	Ledger struct {
		V        int       `json:"v"`
		Balances []Balance `json:"balances"`
		Payments []Payment `json:"payments"`
		Budgets  []Budget  `json:"budgets"` // lines that the treasury may pay
	}
	Standing struct {
		V     int      `json:"v"`
		Rules []Accept `json:"rules"`
	}
	Peers struct {
		V     int    `json:"v"`
		Peers []Peer `json:"peers"`
	}
	Log struct {
		V       int        `json:"v"`
		Entries []LogEntry `json:"entries"`
	}
	Newcomers struct {
		V         int        `json:"v"`
		Newcomers []Newcomer `json:"newcomers"`
		Hidden    int        `json:"hidden,omitempty"` // more cards that ask for the recovery of somebody
	}
	Synced struct {
		V     int `json:"v"`
		Peers int `json:"peers"`
		Equal int `json:"equal"` // of them, how many hold the same records
	}
	Invite struct {
		V       int       `json:"v"`
		ID      record.ID `json:"id"`
		Code    string    `json:"code"`
		Uses    int       `json:"uses"`
		Expires time.Time `json:"expires"`
		Written
	}
)

// The questions.
type (
	ListingIn struct {
		Kind     *string   `json:"kind"`
		Title    *string   `json:"title"`
		Text     *string   `json:"text"`
		Category *string   `json:"category"`
		Tags     *[]string `json:"tags"`
		Price    *string   `json:"price"`
		Quantity *string   `json:"quantity"`
		Place    *string   `json:"place"`
		Code     *string   `json:"code"`    // by which its price list names it
		List     *string   `json:"list"`    // the price list it is of
		Expires  *int64    `json:"expires"` // unix milliseconds, 0: never
	}
	TextIn struct {
		Title string `json:"title"`
		Text  string `json:"text"`
	}
	ProposalIn struct {
		Title   string   `json:"title"`
		Text    string   `json:"text"`
		Draft   string   `json:"draft"`
		Effects []string `json:"effects"`
		Rule    string   `json:"rule"`
		Days    int      `json:"days"`
	}
	NamesIn struct {
		Names []string `json:"names"`
	}
	VoteIn struct {
		Option string `json:"option"`
		Reason string `json:"reason"`
	}
	PaymentIn struct {
		Who    string `json:"who"`
		Amount string `json:"amount"`
		Unit   string `json:"unit"`
		For    string `json:"for"`
		Note   string `json:"note"`
	}
	ListingsIn struct {
		Listings []ListingIn `json:"listings"`
	}
	AnswerIn struct {
		Note     string `json:"note"`
		Amount   string `json:"amount"`   // of a reversal
		Line     uint32 `json:"line"`     // of a budget
		Overdraw bool   `json:"overdraw"` // of an instalment: although the treasury has less
	}
	StandingIn struct {
		Max  string   `json:"max"` // "": no standing rule for the unit any more, or without one for any
		Unit string   `json:"unit"`
		From []string `json:"from"`
	}
	InviteIn struct {
		Uses   int  `json:"uses"`
		Hours  int  `json:"hours"`  // 0: as the bylaws say
		Device bool `json:"device"` // for another computer of this person
	}
	SyncIn struct {
		Peer string `json:"peer"` // a name, an address, or "": all
	}
	// AdmitIn says whether they know of the newcomer what the node says of them.
	AdmitIn struct {
		Yes bool `json:"yes"`
	}

	NameIn struct {
		Name string `json:"name"`
	}
	SeatIn struct {
		SeatTo string `json:"seat_to"` // with a revocation: who gets the teller's seat
		Words  string `json:"words"`   // the 24 words; "": they are not needed, or on this computer
		Here   bool   `json:"here"`    // with a revocation: yes, even if it is this very computer
	}
)

// Document is a listing or a text as a standard Automerge file.
type Document struct {
	V         int       `json:"v"`
	ID        record.ID `json:"id"`
	Automerge []byte    `json:"automerge"`
}
