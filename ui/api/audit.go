package api

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"coop/crdt/coop"
	"coop/crdt/history"
	"coop/crdt/proposal"
	"coop/crdt/record"
	"coop/node"
)

// Evidence is a file with which others check a decision or the ledger without a
// node: see Audit.
type Evidence struct {
	V        int    `json:"v"`
	Evidence []byte `json:"evidence"`
}

// Audited is what a file of evidence shows: what is in the minutes, computed
// from the signed records alone.
type Audited struct {
	V          int         `json:"v"`
	Coop       record.ID   `json:"coop"`
	Name       string      `json:"name"`
	Records    int         `json:"records"`
	Minuted    int         `json:"minuted"`    // how many of them are in the minutes
	Leader     record.ID   `json:"leader"`     // the last leader of the minutes
	Latest     time.Time   `json:"latest"`     // when those who keep the minutes last wrote, by the clock in the middle of theirs
	Keepers    []string    `json:"keepers"`    // the tellers as of the end of the minutes, whose word it is that nothing else was minuted
	MayLie     int         `json:"may_lie"`    // how many of them may have lied, and all of this still be so
	LeaderBy   string      `json:"leader_by"`  // who wrote the last leader
	Forked     []string    `json:"forked"`     // devices that signed two records in one slot; of who has several such, how many
	Reseatings []Reseating `json:"reseatings"` // by which other tellers were put in place
	Proposal   *Proposal   `json:"proposal,omitempty"`
	Ledger     *Ledger     `json:"ledger,omitempty"`
}

const (
	aboutLedger   = "ledger"
	aboutDecision = "decision "
)

// evidence answers with what shows the ledger, or the decision that the query
// names.
func (s *Server) evidence(r *http.Request) (any, error) {
	about := aboutLedger
	if typed := r.URL.Query().Get("decision"); typed != "" {
		v, err := s.view(r)
		if err != nil {
			return nil, err
		}
		p, err := node.FindProposal(v.State, typed)
		if err != nil {
			return nil, err
		}
		about = aboutDecision + p.ID.String()
	}
	b, err := s.node.Evidence(r.Context(), about)
	return Evidence{V: Version, Evidence: b}, err
}

// Audit checks a file of evidence and returns what it shows. It needs no node
// and trusts nobody. The error says what does not hold.
func Audit(file []byte) (Audited, error) {
	about, c, err := coop.Audit(file)
	if err != nil {
		return Audited{}, err
	}
	s := c.State()
	out := Audited{V: Version, Coop: s.People.Coop, Name: s.People.Name, Records: s.Records, Minuted: s.Order, Leader: s.Last, Latest: latest(s, c.History())}
	s.Acts, s.Pending = *s.Minuted, nil
	v := shown{View: node.View{State: s}, labels: node.NewLabels(s)}
	out.Reseatings = v.reseatings()
	for _, key := range s.People.Tellers {
		out.Keepers = append(out.Keepers, v.keeper(key))
	}
	out.MayLie = (len(out.Keepers) - 1) / 3
	if last, ok := c.History().Find(s.Last); ok {
		out.LeaderBy = v.keeper(c.History().At(last).Device)
	}
	out.Forked = v.forkedDevices(c.History())
	id, decision := strings.CutPrefix(about, aboutDecision)
	switch {
	case about == aboutLedger:
		l := v.ledger(record.ID{})
		out.Ledger = &l
		return out, nil
	case !decision:
		return Audited{}, fmt.Errorf("it says that it shows %q, which this version cannot check: the file is damaged, or of a newer version", about)
	}
	p, err := node.FindProposal(s, id)
	if err != nil {
		return Audited{}, fmt.Errorf("the decision is not in the minutes of this file: it was exported too early, or records were left out")
	}
	out.Proposal = v.audited(c, p)
	return out, nil
}

// forkedDevices names the devices that signed two records in one slot.
func (v shown) forkedDevices(h *history.History) []string {
	of := map[string][]string{}
	for device, d := range v.State.People.Devices.All() {
		if _, _, forked := h.Fork(device); forked {
			of[v.name(d.Member)] = append(of[v.name(d.Member)], d.Name)
		}
	}
	return byPerson(of)
}

// byPerson names a person's one device, and of several how many they are.
func byPerson(devices map[string][]string) []string {
	out := []string{}
	for who, names := range devices {
		if len(names) == 1 {
			out = append(out, who+"/"+names[0])
		} else {
			out = append(out, fmt.Sprintf("%s (%d computers)", who, len(names)))
		}
	}
	slices.Sort(out)
	return out
}

// keeper names a teller's device by its person.
func (v shown) keeper(key record.Key) string {
	d, _ := v.State.People.Devices.Get(key)
	return v.name(d.Member)
}

// latest is when those who keep the minutes wrote their last records, each by their
// own clock: that of whom is in the middle, of two the earlier. So one wrong clock
// says nothing.
func latest(s *coop.State, h *history.History) time.Time {
	var last []int64
	for _, key := range s.Minuted.People.Tellers {
		tips := h.TipsOf(key)
		if len(tips) == 0 {
			continue // nothing of theirs is here
		}
		later := func(a, b history.Ref) int { return cmp.Compare(h.At(a).Time, h.At(b).Time) }
		last = append(last, h.At(slices.MaxFunc(tips, later)).Time)
	}
	if slices.Sort(last); len(last) == 0 {
		return time.Time{}
	}
	return time.UnixMilli(last[(len(last)-1)/2]).UTC()
}

func (v shown) audited(c *coop.Coop, p proposal.Proposal) *Proposal {
	out := v.proposal(p)
	out.fillText(node.TextIn(c, p))
	out.fillWords(p)
	v.fillVotes(&out, p)
	return &out
}
