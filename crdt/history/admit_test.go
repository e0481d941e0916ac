package history_test

import (
	"slices"
	"strings"
	"testing"

	"coop/crdt/history"
	"coop/crdt/record"
)

// village is the world of the admission table.
//
//	founding (device 0 of member 0, also introduces device 1 of member 1 and both roots)
//	├─ a2 (device 0; introduces device 2 of member 2 and root 2) ─ a3
//	└─ b1 (device 1) ─ b2 (device 1; introduces device 3 of member 3)
type village struct {
	writer
	h                        *history.History
	first, a2, a3, b1, b2    *record.Record
	foreign, refused, absent *record.Record // founding record of another co-op; refused by A7; never offered
}

func device(n int) record.Key { return keyOf(n).Public() }

func newVillage(t *testing.T) *village {
	v := &village{h: newHistory()}
	v.foreign = v.found(keyOf(5), intro{Member: memberOf(5), Device: device(5)})
	v.first = v.found(keyOf(0), intro{Member: memberOf(0), Device: device(0), Root: rootOf(0)},
		intro{Member: memberOf(1), Device: device(1), Root: rootOf(1)})
	v.a2 = v.act(keyOf(0), v.first, nil, intro{Member: memberOf(2), Device: device(2), Root: rootOf(2)})
	v.a3 = v.act(keyOf(0), v.a2, nil)
	v.b1 = v.act(keyOf(1), nil, list(v.first))
	v.b2 = v.act(keyOf(1), v.b1, nil, intro{Member: memberOf(3), Device: device(3)})
	mustAdmit(t, v.h, v.first, v.a2, v.a3, v.b1, v.b2)
	v.absent = v.act(keyOf(0), v.a3, nil)
	h := v.header(act, v.a3)
	h.Depth += 5
	v.refused = v.sign(keyOf(0), h)
	return v
}

func list(rs ...*record.Record) []*record.Record { return rs }

// next is an ordinary act of device 0.
func (v *village) next(intros ...intro) *record.Record { return v.act(keyOf(0), v.a3, nil, intros...) }

// changed is an act of device 0 with something in its header changed.
func (v *village) changed(change func(h *record.Header)) *record.Record {
	h := v.header(act, v.a3, v.b2)
	change(&h)
	return v.sign(keyOf(0), h)
}

// card is a device card signed by a root.
func card(member, dev, root int) intro {
	return intro{Member: memberOf(member), Device: device(dev), SignedBy: rootOf(root)}
}

func TestAdmit(t *testing.T) {
	tests := []struct {
		name string
		make func(v *village) *record.Record
		want string // "", "missing" or the rule
		says string
	}{
		{"A1: act with its body", func(v *village) *record.Record { return v.next() }, "", ""},
		{"A1: act without its body", func(v *village) *record.Record { return v.next().Erase() }, "A1", "test/act cannot be without its body"},
		{"A1: unknown kind without its body", func(v *village) *record.Record {
			return v.sign(keyOf(0), v.header("zzz", v.a3)).Erase()
		}, "A1", "zzz"},
		{"A1: unknown kind with its body", func(v *village) *record.Record { return v.sign(keyOf(0), v.header("zzz", v.a3)) }, "", ""},
		{"A1: content without its body", func(v *village) *record.Record {
			return v.sign(keyOf(0), v.header(content, v.a3)).Erase()
		}, "", ""},
		{"A1: content with its body", func(v *village) *record.Record { return v.sign(keyOf(0), v.header(content, v.a3)) }, "", ""},

		{"A3: record of another co-op", func(v *village) *record.Record {
			return v.changed(func(h *record.Header) { h.Coop = v.foreign.ID })
		}, "A3", "to the co-op"},
		{"A3: founding record of another co-op", func(v *village) *record.Record { return v.foreign }, "A3", "to the co-op"},
		{"A3: a second founding record by the founder", func(v *village) *record.Record {
			w := writer{nonce: 1000}
			return w.found(keyOf(0), intro{Member: memberOf(0), Device: device(0)})
		}, "A3", "to the co-op"},

		{"A4: signature of another record", func(v *village) *record.Record {
			r := decoded(v.next())
			r.Sig = v.a2.Sig
			return r
		}, "A4", "signature"},
		{"A4: signature by another device", func(v *village) *record.Record {
			r := decoded(v.next())
			r.Sig = keyOf(1).Sign(record.DomainRecord, r.Raw)
			return r
		}, "A4", "signature"},
		{"A4: signature for another purpose", func(v *village) *record.Record {
			r := decoded(v.next())
			r.Sig = keyOf(0).Sign(record.DomainCard, r.Raw)
			return r
		}, "A4", "signature"},
		{"A4: bad signature on a record whose past is missing", func(v *village) *record.Record {
			r := decoded(v.act(keyOf(0), v.absent, nil))
			r.Sig[5] ^= 1
			return r
		}, "A4", "signature"},
		{"A4: key of small order, introduced, with a signature that fits every message", func(v *village) *record.Record {
			return v.byKey(record.Key{0: 1})
		}, "A4", "small order"},
		{"A4: key that is not canonical", func(v *village) *record.Record {
			return v.byKey(record.Key{0: 1, 31: 0x80})
		}, "A4", "not canonical"},
		{"A4: key off the curve", func(v *village) *record.Record { return v.byKey(record.Key{0: 2}) }, "A4", "not a point"},
		{"A4: as it should be", func(v *village) *record.Record { return decoded(v.next()) }, "", ""},

		{"A6: prev missing", func(v *village) *record.Record { return v.act(keyOf(0), v.absent, nil) }, "missing", "1 records"},
		{"A6: parent missing", func(v *village) *record.Record { return v.act(keyOf(0), v.a3, list(v.b2, v.absent)) }, "missing", "1 records"},
		{"A6: parent of a first record missing", func(v *village) *record.Record { return v.act(keyOf(2), nil, list(v.absent)) }, "missing", ""},
		{"A6: child of a refused record", func(v *village) *record.Record { return v.act(keyOf(0), v.refused, nil) }, "missing", ""},
		{"A6: a refused record as parent", func(v *village) *record.Record { return v.act(keyOf(0), v.a3, list(v.refused)) }, "missing", ""},
		{"A6: a record of another co-op as parent", func(v *village) *record.Record {
			return v.act(keyOf(0), v.a3, list(v.foreign))
		}, "missing", ""},
		{"A6: all there", func(v *village) *record.Record { return v.act(keyOf(0), v.a3, list(v.b2, v.b1)) }, "", ""},

		{"A7: prev by another device", func(v *village) *record.Record { return v.act(keyOf(0), v.b2, list(v.a3)) }, "A7", "another device"},
		{"A7: seq skips one", func(v *village) *record.Record {
			return v.changed(func(h *record.Header) { h.Seq++ })
		}, "A7", "seq is 5 after 3"},
		{"A7: seq as prev has it", func(v *village) *record.Record {
			return v.changed(func(h *record.Header) { h.Seq-- })
		}, "A7", "seq is 3 after 3"},
		{"A7: depth too great", func(v *village) *record.Record {
			return v.changed(func(h *record.Header) { h.Depth++ })
		}, "A7", "depth is 5, not 4"},
		{"A7: depth too small", func(v *village) *record.Record {
			return v.changed(func(h *record.Header) { h.Depth-- })
		}, "A7", "depth is 3, not 4"},
		{"A7: depth that is right in 32 bits", func(v *village) *record.Record {
			return v.changed(func(h *record.Header) { h.Depth += 1 << 32 })
		}, "A7", "depth"},
		{"A7: depth of prev alone, a parent is deeper", func(v *village) *record.Record {
			h := v.header(act, v.first, v.b2)
			h.Depth = 2
			return v.sign(keyOf(0), h)
		}, "A7", "depth is 2, not 4"},
		{"A7: depth of parents alone, prev is deeper", func(v *village) *record.Record {
			h := v.header(act, v.a3, v.first)
			h.Depth = 2
			return v.sign(keyOf(0), h)
		}, "A7", "depth is 2, not 4"},
		{"A7: depth of a first record", func(v *village) *record.Record {
			h := v.header(act, nil, v.a2)
			h.Depth = 2
			return v.sign(keyOf(2), h)
		}, "A7", "depth is 2, not 3"},
		{"A7: a fork", func(v *village) *record.Record { return v.act(keyOf(0), v.a2, nil) }, "", ""},
		{"A7: a fork at seq 1", func(v *village) *record.Record { return v.act(keyOf(1), nil, list(v.first)) }, "", ""},
		{"A7: a founder's first record once more", func(v *village) *record.Record { return v.act(keyOf(0), nil, list(v.b2)) }, "", ""},

		{"A8: introduced by the founding record", func(v *village) *record.Record {
			return v.act(keyOf(1), nil, list(v.a3))
		}, "", ""},
		{"A8: introduced by an act in its past", func(v *village) *record.Record { return v.act(keyOf(2), nil, list(v.a3)) }, "", ""},
		{"A8: introduced, but not in its past", func(v *village) *record.Record {
			return v.act(keyOf(2), nil, list(v.b2))
		}, "A8", "introduces its device"},
		{"A8: introduced behind its past", func(v *village) *record.Record { return v.act(keyOf(2), nil, list(v.first)) }, "A8", ""},
		{"A8: introduced in the past of its second parent", func(v *village) *record.Record {
			return v.act(keyOf(3), nil, list(v.a3, v.b2))
		}, "", ""},
		{"A8: introduced by nobody", func(v *village) *record.Record { return v.act(keyOf(7), nil, list(v.a3, v.b2)) }, "A8", ""},
		{"A8: admits itself", func(v *village) *record.Record {
			return v.act(keyOf(7), nil, list(v.a3, v.b2), intro{Member: memberOf(7), Device: device(7), Root: rootOf(7)})
		}, "A8", ""},
		{"A8: a device card in its own first record", func(v *village) *record.Record {
			return v.act(keyOf(7), nil, list(v.a2), card(2, 7, 2))
		}, "", ""},
		{"A8: a device card behind other introductions", func(v *village) *record.Record {
			return v.act(keyOf(7), nil, list(v.a2), card(2, 6, 2), card(1, 7, 2), card(2, 7, 2))
		}, "", ""},
		{"A8: a device card of another device", func(v *village) *record.Record {
			return v.act(keyOf(7), nil, list(v.a2), card(2, 6, 2))
		}, "A8", ""},
		{"A8: a device card by a root that nobody introduced", func(v *village) *record.Record {
			return v.act(keyOf(7), nil, list(v.a3, v.b2), card(2, 7, 7))
		}, "A8", ""},
		{"A8: a device card by a root that is not in its past", func(v *village) *record.Record {
			return v.act(keyOf(7), nil, list(v.b2), card(2, 7, 2))
		}, "A8", ""},
		{"A8: a device card by the root of another member", func(v *village) *record.Record {
			return v.act(keyOf(7), nil, list(v.a3), card(2, 7, 1))
		}, "A8", ""},
		{"A8: a device card by a root that the same record introduces", func(v *village) *record.Record {
			return v.act(keyOf(7), nil, list(v.a3), intro{Member: memberOf(7), Root: rootOf(7)}, card(7, 7, 7))
		}, "A8", ""},
		{"A8: a second record needs no introduction", func(v *village) *record.Record { return v.act(keyOf(1), v.b2, nil) }, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := newVillage(t)
			r := tt.make(v)
			checkAdmit(t, v, r, tt.want, tt.says)
		})
	}
}

// decoded is r as it comes from a peer: not verified yet.
func decoded(r *record.Record) *record.Record {
	d, err := record.Decode(r.Encode())
	if err != nil {
		panic(err)
	}
	return d
}

// byKey introduces any 32 bytes as a device and returns a first record by it,
// with the signature that a key of small order takes for every message.
func (v *village) byKey(key record.Key) *record.Record {
	in := v.next(intro{Member: memberOf(6), Device: key})
	if _, _, err := v.h.Admit(in); err != nil {
		panic(err)
	}
	h := v.header(act, nil, in)
	like := v.sign(keyOf(7), h)
	h = like.Header
	h.Device = key
	r, err := record.Decode(record.Marshal(struct {
		_                 struct{} `cbor:",toarray"`
		Header, Sig, Body []byte
	}{Header: record.Marshal(h), Sig: append([]byte{1}, make([]byte, 63)...), Body: like.Body}))
	if err != nil {
		panic(err)
	}
	return r
}

func checkAdmit(t *testing.T, v *village, r *record.Record, want, says string) {
	t.Helper()
	devices := []record.Key{r.Device}
	for n := range 8 {
		devices = append(devices, device(n))
	}
	was, length := fingerprint(v.h, devices...), v.h.Len()
	for range 2 { // asked again, it says the same
		ref, fresh, err := v.h.Admit(r)
		if got := verdict(err); got != want {
			t.Fatalf("got %q (%v), want %q", got, err, want)
		}
		if want == "" {
			break
		}
		if !strings.Contains(err.Error(), says) {
			t.Errorf("got %q, want it to say %q", err, says)
		}
		if ref != history.None || fresh {
			t.Errorf("got %d, %v beside the error", ref, fresh)
		}
		if now := fingerprint(v.h, devices...); now != was {
			t.Errorf("the history changed:\n%s\nwas\n%s", now, was)
		}
	}
	if want == "" {
		if v.h.Len() != length+1 || v.h.ID(history.Ref(length)) != r.ID {
			t.Errorf("%d records, want %d and the new one last", v.h.Len(), length+1)
		}
		return
	}
	if _, ok := v.h.Find(r.ID); ok {
		t.Error("it is found")
	}
	mustAdmit(t, v.h, v.act(keyOf(0), v.a3, list(v.b2))) // and life goes on
}

// TestAdmitFirst is about the record that begins a history.
func TestAdmitFirst(t *testing.T) {
	v := newVillage(t)
	var w writer
	tests := []struct {
		name string
		make func() *record.Record
		want string
	}{
		{"the founding record", func() *record.Record { return v.first }, ""},
		{"as it comes from a peer", func() *record.Record { return decoded(v.first) }, ""},
		{"another co-op's", func() *record.Record { return v.foreign }, ""},
		{"without its body", func() *record.Record { return v.first.Erase() }, "A1"},
		{"with a bad signature", func() *record.Record {
			r := decoded(v.first)
			r.Sig[40] ^= 1
			return r
		}, "A4"},
		{"that introduces nobody", func() *record.Record { return w.found(keyOf(0)) }, "A8"},
		{"that introduces another device", func() *record.Record {
			return w.found(keyOf(0), intro{Member: memberOf(1), Device: device(1)})
		}, "A8"},
		{"that introduces its device second", func() *record.Record {
			return w.found(keyOf(0), intro{Member: memberOf(1), Device: device(1)}, intro{Member: memberOf(0), Device: device(0)})
		}, ""},
		{"a first record that founds nothing", func() *record.Record { return v.b1 }, "missing"},
		{"a later record", func() *record.Record { return v.a2 }, "missing"},
		{"a later record with a bad signature", func() *record.Record {
			r := decoded(v.a2)
			r.Sig[40] ^= 1
			return r
		}, "A4"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHistory()
			r := tt.make()
			ref, fresh, err := h.Admit(r)
			if got := verdict(err); got != tt.want {
				t.Fatalf("got %q (%v), want %q", got, err, tt.want)
			}
			if err == nil {
				if ref != 0 || !fresh || h.Coop() != r.ID || h.Len() != 1 || h.At(0).Owner != memberOf(int(h.At(0).Owner[0])-1) {
					t.Errorf("got %d, %v; %d records of %s", ref, fresh, h.Len(), h.Coop())
				}
				return
			}
			if h.Len() != 0 || h.Coop() != (record.ID{}) || fingerprint(h) != fingerprint(newHistory()) {
				t.Error("the history is no longer empty")
			}
			mustAdmit(t, h, v.first)
		})
	}
}

func TestAdmitAgain(t *testing.T) {
	v := newVillage(t)
	for _, r := range list(v.first, v.a3, v.b2) {
		was, want := fingerprint(v.h), mustFind(t, v.h, r)
		for _, again := range list(r, decoded(r), r.Erase()) {
			ref, fresh, err := v.h.Admit(again)
			if ref != want || fresh || err != nil {
				t.Errorf("got %d, %v, %v, want %d and not fresh", ref, fresh, err, want)
			}
		}
		if fingerprint(v.h) != was {
			t.Error("the history changed")
		}
	}
}

// A bad signature must not stand in the way of the good one.
func TestBadSignatureFirst(t *testing.T) {
	v := newVillage(t)
	good := v.next()
	bad := decoded(good)
	bad.Sig[0] ^= 1
	if _, _, err := v.h.Admit(bad); verdict(err) != "A4" {
		t.Fatalf("got %v, want it refused by A4", err)
	}
	mustAdmit(t, v.h, decoded(good))
}

func TestMissing(t *testing.T) {
	v := newVillage(t)
	other := v.act(keyOf(1), v.b2, nil)
	r := v.act(keyOf(0), v.absent, list(other, v.b1))
	_, _, err := v.h.Admit(r)
	missing, ok := err.(*history.Missing)
	if want := []record.ID{v.absent.ID, other.ID}; !ok || !slices.Equal(missing.IDs, want) {
		t.Fatalf("got %v, want %v missing", err, want)
	}
	mustAdmit(t, v.h, v.absent, other, r)
	_, _, err = newHistory().Admit(v.a3)
	if missing, ok := err.(*history.Missing); !ok || len(missing.IDs) != 1 || missing.IDs[0] != v.first.ID {
		t.Errorf("in an empty history: got %v, want the founding record missing", err)
	}
}

// TestOwner says to which member a device belongs.
func TestOwner(t *testing.T) {
	v := newVillage(t)
	// Device 6 is claimed twice, at one depth: the smaller id wins where both
	// are in the past. A deeper claim loses.
	x := v.act(keyOf(0), v.a3, nil, intro{Member: memberOf(10), Device: device(6)})
	y := v.act(keyOf(1), v.b2, nil, intro{Member: memberOf(11), Device: device(6)})
	z := v.act(keyOf(1), y, nil, intro{Member: memberOf(12), Device: device(6)}, intro{Member: memberOf(13), Device: device(7)},
		intro{Member: memberOf(14), Device: device(7)})
	mustAdmit(t, v.h, x, y, z)
	smaller := memberOf(10)
	if y.ID.Compare(x.ID) < 0 {
		smaller = memberOf(11)
	}
	tests := []struct {
		name   string
		device int
		past   []*record.Record
		intros []intro
		want   record.ID
	}{
		{"one claim", 6, list(x), nil, memberOf(10)},
		{"the other claim", 6, list(y), nil, memberOf(11)},
		{"a deeper claim", 6, list(z), nil, memberOf(11)},
		{"both claims", 6, list(x, y), nil, smaller},
		{"all claims", 6, list(x, z), nil, smaller},
		{"two claims in one record: the first", 7, list(z), nil, memberOf(13)},
		{"a card of its own does not count against a claim", 6, list(x), []intro{card(2, 6, 2)}, memberOf(10)},
		{"a card of its own", 6, list(v.a3), []intro{card(2, 6, 2)}, memberOf(2)},
		{"the first card of its own that counts", 6, list(v.a3), []intro{card(1, 6, 2), card(2, 6, 2), card(0, 6, 0)}, memberOf(2)},
	}
	for _, tt := range tests {
		r := v.act(keyOf(tt.device), nil, tt.past, tt.intros...)
		next := v.act(keyOf(tt.device), r, list(z))
		mustAdmit(t, v.h, r, next)
		for _, r := range list(r, next) {
			if got := v.h.At(mustFind(t, v.h, r)).Owner; got != tt.want {
				t.Errorf("%s, seq %d: got %s, want %s", tt.name, r.Seq, got.Short(), tt.want.Short())
			}
		}
	}
}

// TestIntroductionThatDoesNotCount holds that a card by a root that its record
// did not know introduces nobody, whatever is admitted later.
func TestIntroductionThatDoesNotCount(t *testing.T) {
	tests := []struct {
		name string
		card intro
		by   func(v *village) (*record.Private, *record.Record)
		want bool
	}{
		{"root in its past", card(2, 7, 2), func(v *village) (*record.Private, *record.Record) { return keyOf(0), v.a3 }, true},
		{"root not in its past", card(2, 7, 2), func(v *village) (*record.Private, *record.Record) { return keyOf(1), v.b2 }, false},
		{"root of another member", card(1, 7, 2), func(v *village) (*record.Private, *record.Record) { return keyOf(0), v.a3 }, false},
		{"root of nobody", card(2, 7, 6), func(v *village) (*record.Private, *record.Record) { return keyOf(0), v.a3 }, false},
	}
	for _, tt := range tests {
		v := newVillage(t)
		key, prev := tt.by(v)
		in := v.act(key, prev, nil, tt.card)
		both := v.act(key, in, list(v.a3, v.b2), intro{Member: memberOf(2), Root: rootOf(6)}) // now the root is known
		mustAdmit(t, v.h, in, both)
		if _, got := v.h.IntroducedBy(device(7)); got != tt.want {
			t.Errorf("%s: introduced: got %v, want %v", tt.name, got, tt.want)
		}
		_, _, err := v.h.Admit(v.act(keyOf(7), nil, list(both)))
		if got := verdict(err) == ""; got != tt.want {
			t.Errorf("%s: its first record: got %v, want admitted: %v", tt.name, err, tt.want)
		}
	}
}

func TestFind(t *testing.T) {
	v := newVillage(t)
	if ref, ok := v.h.Find(v.absent.ID); ok || ref != history.None {
		t.Errorf("got %d, %v for a record that is not there", ref, ok)
	}
}

func TestErrors(t *testing.T) {
	refused := &history.Refused{Rule: "A7", Reason: "depth is 3, not 4"}
	if got, want := refused.Error(), "depth is 3, not 4 (rule A7 of the protocol)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	id := memberOf(3)
	missing := &history.Missing{IDs: []record.ID{id, memberOf(4)}}
	if got, want := missing.Error(), "2 records before it are missing, first "+id.Short(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
