package history_test

import (
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"coop/crdt/history"
	"coop/crdt/record"
)

// seedFlag repeats the run of a property test that failed.
var seedFlag = flag.Int64("seed", 0, "seed of the random tests; 0: another one each time")

func newSeed(t testing.TB) int64 {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Int63()
	}
	t.Logf("-seed %d", seed)
	return seed
}

// The kinds of these tests: introductions stand in the body of any of them.
const (
	found   = "coop/found"
	act     = "test/act"
	content = "doc/edit"
)

type intro struct {
	_        struct{} `cbor:",toarray"`
	Member   record.ID
	Device   record.Key
	Root     record.Key
	SignedBy record.Key
}

type body struct {
	_      struct{} `cbor:",toarray"`
	Nonce  uint64
	Intros []intro
}

func introsOf(r *record.Record) []intro {
	var b body
	if record.Unmarshal(r.Body, &b) != nil {
		return nil
	}
	return b.Intros
}

func newHistory() *history.History {
	return history.New(history.Rules{
		Introduces: func(r *record.Record) []history.Introduction {
			var out []history.Introduction
			for _, in := range introsOf(r) {
				out = append(out, history.Introduction{Member: in.Member, Device: in.Device, Root: in.Root, SignedBy: in.SignedBy})
			}
			return out
		},
		Content: func(kind string) bool { return kind == content },
	})
}

func keyOf(n int) *record.Private {
	var seed [32]byte
	binary.BigEndian.PutUint64(seed[:], uint64(n)+1)
	return record.NewPrivate(seed)
}

func memberOf(n int) (id record.ID) {
	id[0] = byte(n + 1)
	return id
}

// rootOf needs no secret: nothing here is signed by a root.
func rootOf(n int) (k record.Key) {
	k[0], k[1] = 'r', byte(n+1)
	return k
}

// writer makes records. Each gets another nonce, so no two are the same.
type writer struct {
	coop  record.ID
	nonce uint64
}

// header returns the header of a record behind prev (nil: none) and parents.
func (w *writer) header(kind string, prev *record.Record, parents ...*record.Record) record.Header {
	h := record.Header{Coop: w.coop, Seq: 1, Kind: kind, Depth: 1}
	if prev != nil {
		h.Seq, h.Prev, h.Depth = prev.Seq+1, prev.ID, prev.Depth+1
	}
	for _, p := range parents {
		if prev == nil || p.ID != prev.ID {
			h.Parents = append(h.Parents, p.ID)
			h.Depth = max(h.Depth, p.Depth+1)
		}
	}
	h.Parents = record.SortIDs(h.Parents)
	return h
}

func (w *writer) sign(key *record.Private, h record.Header, intros ...intro) *record.Record {
	w.nonce++
	h.Time = int64(w.nonce) * 1000
	r, err := record.New(h, record.Marshal(body{Nonce: w.nonce, Intros: intros}), key)
	if err != nil {
		panic(err)
	}
	return r
}

// act signs an act behind prev and parents.
func (w *writer) act(key *record.Private, prev *record.Record, parents []*record.Record, intros ...intro) *record.Record {
	return w.sign(key, w.header(act, prev, parents...), intros...)
}

// found signs a founding record and makes it the writer's co-op.
func (w *writer) found(key *record.Private, intros ...intro) *record.Record {
	w.coop = record.ID{}
	r := w.sign(key, w.header(found, nil), intros...)
	w.coop = r.ID
	return r
}

// verdict names the outcome of Admit: "", "missing" or the rule that refuses.
func verdict(err error) string {
	var refused *history.Refused
	var missing *history.Missing
	switch {
	case err == nil:
		return ""
	case errors.As(err, &refused):
		return refused.Rule
	case errors.As(err, &missing):
		return "missing"
	}
	return err.Error()
}

func mustAdmit(t testing.TB, h *history.History, rs ...*record.Record) {
	t.Helper()
	for _, r := range rs {
		if _, _, err := h.Admit(r); err != nil {
			t.Fatalf("%s: %v", r.ID.Short(), err)
		}
	}
}

func mustFind(t testing.TB, h *history.History, r *record.Record) history.Ref {
	t.Helper()
	ref, ok := h.Find(r.ID)
	if !ok {
		t.Fatalf("%s is not in the history", r.ID.Short())
	}
	return ref
}

// fingerprint is everything a history tells, for comparing it before and after.
func fingerprint(h *history.History, devices ...record.Key) string {
	var s strings.Builder
	fmt.Fprintln(&s, h.Len(), h.Coop(), h.Heads(), h.Tips(), h.Digest(), h.Beyond(nil))
	for ref := range history.Ref(h.Len()) {
		fmt.Fprintln(&s, h.At(ref))
	}
	for _, d := range devices {
		a, b, ok := h.Fork(d)
		by, introduced := h.IntroducedBy(d)
		fmt.Fprintln(&s, d, h.TipsOf(d), by, introduced, a, b, ok)
	}
	return s.String()
}

func idsOf(h *history.History, refs []history.Ref) []record.ID {
	var ids []record.ID
	for _, r := range refs {
		ids = append(ids, h.ID(r))
	}
	return ids
}

func sortedIDs(h *history.History, refs []history.Ref) []record.ID {
	ids := idsOf(h, refs)
	slices.SortFunc(ids, record.ID.Compare)
	return ids
}
