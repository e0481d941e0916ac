package node_test

import (
	"strings"
	"testing"
	"time"

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
