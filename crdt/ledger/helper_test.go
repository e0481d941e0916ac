package ledger_test

import (
	"bytes"
	"strings"
	"testing"

	"coop/crdt/ledger"
	"coop/crdt/member"
	"coop/crdt/record"
)

// The people and the co-op of the tests. By the bylaws' default a member's
// limit is 50 whole units.
var (
	coop    = idOf("coop")
	ana     = idOf("Ana") // a member and treasurer
	bo      = idOf("Bo")  // a member
	chi     = idOf("Chi") // a resting member
	dan     = idOf("Dan") // an associate
	eve     = idOf("Eve") // left
	fay     = idOf("Fay") // was expelled
	persons = []record.ID{ana, bo, chi, dan, eve, fay}

	euro  = member.Unit{Code: "euro", Scale: 2}
	bread = member.Unit{Code: "bread", Scale: 0}
)

func idOf(name string) record.ID { return record.DomainMember.Hash([]byte(name)) }

// world is a co-op with a ledger and a way to write acts.
type world struct {
	people *member.State
	*ledger.State
	written uint64
}

func newWorld() *world {
	w := &world{people: member.New(), State: ledger.New()}
	w.people.Coop, w.people.Units = coop, []member.Unit{euro, bread}
	w.join(ana, "Ana", member.StatusMember, member.Treasurer)
	w.join(bo, "Bo", member.StatusMember)
	w.join(chi, "Chi", member.StatusResting)
	w.join(dan, "Dan", member.StatusAssociate)
	w.join(eve, "Eve", member.StatusLeft)
	w.join(fay, "Fay", member.StatusExpelled)
	return w
}

func (w *world) join(id record.ID, name string, status member.Status, offices ...string) {
	w.people.Members.Put(id, member.Member{ID: id, Name: name, Status: status, Offices: offices})
}

func (w *world) become(id record.ID, status member.Status) {
	m, _ := w.people.Members.Get(id)
	m.Status = status
	w.people.Members.Put(id, m)
}

// act applies an act and returns the id of its record.
func (w *world) act(by record.ID, kind string, body []byte) (record.ID, error) {
	w.written++
	r := &record.Record{
		Header: record.Header{Kind: kind, Time: int64(w.written)}, Body: body,
		ID: record.DomainID.Hash(record.Marshal(w.written)),
	}
	m, _ := w.people.Members.Get(by)
	return r.ID, w.Apply(w.people, m, r)
}

// must is an act that has to succeed.
func (w *world) must(t testing.TB, by record.ID, kind string, body any) record.ID {
	t.Helper()
	id, err := w.act(by, kind, record.Marshal(body))
	if err != nil {
		t.Fatalf("%s: %v", kind, err)
	}
	w.CheckZero()
	return id
}

// problem is an act that has to be a Problem which says all of want, and must
// change nothing.
func (w *world) problem(t testing.TB, by record.ID, kind string, body any, want ...string) {
	t.Helper()
	before := bytesOf(w.State)
	_, err := w.act(by, kind, record.Marshal(body))
	if err == nil {
		t.Fatalf("%s %+v: no problem, want %q", kind, body, want)
	}
	for _, s := range want {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("%s %+v: got %q, want %q", kind, body, err, s)
		}
	}
	if !bytes.Equal(bytesOf(w.State), before) {
		t.Errorf("%s %+v: the problem %q changed the ledger", kind, body, err)
	}
}

// account holds the balance and the reserve of somebody in euro cents.
func (w *world) account(t testing.TB, who record.ID, balance, reserved int64) {
	t.Helper()
	a := w.Account(ledger.AccountKey{Unit: "euro", Owner: who})
	if a.Balance != balance || a.Reserved != reserved {
		t.Errorf("balance %d, reserved %d, want %d and %d", a.Balance, a.Reserved, balance, reserved)
	}
}

func (w *world) status(t testing.TB, id record.ID, want ledger.Status) {
	t.Helper()
	if p, _ := w.Payments.Get(id); p.Status != want {
		t.Errorf("payment is %s, want %s", p.Status, want)
	}
}

func bytesOf(s *ledger.State) []byte {
	var b bytes.Buffer
	if _, err := s.WriteTo(&b); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func cents(to record.ID, amount int64) ledger.TransferBody {
	return ledger.TransferBody{To: to, Unit: "euro", Amount: amount}
}

// accepted is a payment that the payee has accepted.
func (w *world) accepted(t testing.TB, from, to record.ID, amount int64) record.ID {
	t.Helper()
	id := w.must(t, from, ledger.KindTransfer, cents(to, amount))
	w.must(t, to, ledger.KindAccept, ledger.AnswerBody{ID: id})
	return id
}
