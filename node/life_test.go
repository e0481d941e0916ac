package node_test

import (
	"strings"
	"testing"
	"time"

	"coop/crdt/member"
	"coop/crdt/record"
	"coop/node"
	"coop/node/nodetest"
)

// words are the 24 words of a house's person.
func words(h *nodetest.House) string { return h.Home.Secrets().Words }

// TestSeat: a teller's seat goes from one computer to another, by itself or by
// the root key, and with it the minutes.
func TestSeat(t *testing.T) {
	street := nodetest.NewStreet()
	ana := nodetest.Found(t, street, "Ana")
	phone := nodetest.Join(t, street, must[node.Invited](t)(ana.Invite(t.Context(), 1, 0, true)).Code, "phone")
	street.Meet(ana, phone)
	phone.Await("joined", joined)
	teller := func(h *nodetest.House, name string) {
		t.Helper()
		h.Await(name+" keeps the minutes", func(v node.View) bool {
			return len(v.State.Pending) == 0 && len(v.Tellers) == 1 && v.Tellers[0].Device.Name == name
		})
	}
	must[record.ID](t)(ana.PassSeat(t.Context(), "phone", ""))
	teller(phone, "phone")
	must[record.ID](t)(ana.PassSeat(t.Context(), "laptop", "")) // by the root key, which is there
	teller(ana, "laptop")

	// The laptop is lost, and with it the only words on a computer.
	street.Part(ana)
	typed := words(ana)
	_, err := phone.RevokeDevice(t.Context(), "laptop", "phone", "")
	refuse(t, err, "refused", "24 words")
	_, err = phone.RevokeDevice(t.Context(), "laptop", "phone", strings.Repeat("abandon ", 23)+"art")
	refuse(t, err, "refused", "not those of Ana")
	id := must[record.ID](t)(phone.RevokeDevice(t.Context(), "laptop", "phone", typed))
	text := must[string](t)(phone.Waits(t.Context(), id))
	if want := "waits for the only teller: Ana last wrote "; !strings.HasPrefix(text, want) {
		t.Errorf("a seat passed by another computer: got %q, want %q", text, want)
	}
	phone.Sleep(3 * 24 * time.Hour)
	text = must[string](t)(phone.Waits(t.Context(), id))
	if want := "last wrote on " + phone.See().Tellers[0].Wrote.Local().Format("Monday 15:04"); !strings.Contains(text, want) {
		t.Errorf("three days later: got %q, want %q", text, want)
	}
	if phone.Sleep(30 * 24 * time.Hour); strings.Contains(must[string](t)(phone.Waits(t.Context(), id)), "day ") {
		t.Error("a day of the week says nothing after a month")
	}

	// It is found again: it minutes what it hears, its own end included.
	street.Meet(ana, phone)
	teller(phone, "phone")
	if text := must[string](t)(phone.Waits(t.Context(), id)); text != "" {
		t.Errorf("in the minutes, and it %s", text)
	}
}

// TestReturn: who has only their 24 words comes back with a computer that adds
// itself, and can do with it what the first could.
func TestReturn(t *testing.T) {
	street, ana, others := willow(t, true, "Bo", "Chi")
	bo, chi := others[0], others[1]
	typed := words(bo)
	bo.Close()
	code := must[node.Invited](t)(ana.Invite(t.Context(), 1, 0, false)).Code
	desk := nodetest.Return(t, street, code, typed, "desk")
	street.Part(chi)
	street.Meet(ana, desk)
	v := desk.Await("joined", joined)
	if v.Me.Name != "Bo" || v.Me.Status != member.StatusMember || len(v.Me.Devices) != 2 || !desk.HasWords() {
		t.Errorf("the desk is %s's, %s, with %d devices", v.Me.Name, v.Me.Status, len(v.Me.Devices))
	}
	nodetest.AwaitSame(ana, desk)

	// Chi has not heard of the desk.
	street.Part(desk)
	desk.Reopen()
	street.Meet(desk, chi)
	chi.Await("the desk is Bo's", func(v node.View) bool { return v.State.People.Stands(desk.See().Device) })
	must[record.ID](t)(desk.RevokeDevice(t.Context(), "laptop", "", ""))
	street.Meet(ana, desk)
	nodetest.AwaitSame(ana, desk, chi)
	if n := len(ana.See().Cards); n > 0 {
		t.Errorf("%d cards wait at the door", n)
	}

	// Words of nobody, and of another than the code is for.
	_, err := node.Join(desk.Home, node.JoinAs{Code: code, As: "x", Words: "one two"}, ana.Now())
	refuse(t, err, "invalid", "24 words")
	mine := must[node.Invited](t)(ana.Invite(t.Context(), 1, 0, true)).Code
	_, err = node.Join(desk.Home, node.JoinAs{Code: mine, As: "x", Words: typed}, ana.Now())
	refuse(t, err, "invalid", "somebody else")
	stranger := nodetest.Return(t, street, code, strings.Repeat("abandon ", 23)+"art", "x")
	street.Meet(ana, stranger)
	stranger.Await("a closed door", func(v node.View) bool {
		return len(v.Events) > 0 && strings.Contains(v.Events[len(v.Events)-1].Text, "nobody of the co-op has the root key")
	})
}
