package record_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"testing"

	"coop/crdt/record"
)

// What follows encodes CBOR by hand, so that the tests do not take the word of
// the encoder they test, and can write what it never would.

func cborHead(major byte, n uint64) []byte {
	switch {
	case n < 24:
		return []byte{major<<5 | byte(n)}
	case n < 1<<8:
		return []byte{major<<5 | 24, byte(n)}
	case n < 1<<16:
		return binary.BigEndian.AppendUint16([]byte{major<<5 | 25}, uint16(n))
	case n < 1<<32:
		return binary.BigEndian.AppendUint32([]byte{major<<5 | 26}, uint32(n))
	}
	return binary.BigEndian.AppendUint64([]byte{major<<5 | 27}, n)
}

func cborUint(n uint64) []byte { return cborHead(0, n) }

func cborInt(n int64) []byte {
	if n < 0 {
		return cborHead(1, uint64(-(n + 1)))
	}
	return cborHead(0, uint64(n))
}

func cborBytes(b []byte) []byte { return append(cborHead(2, uint64(len(b))), b...) }

func cborText(s string) []byte { return append(cborHead(3, uint64(len(s))), s...) }

func cborArray(items ...[]byte) []byte {
	return append(cborHead(4, uint64(len(items))), slices.Concat(items...)...)
}

// cborInts writes bytes as an array of small integers, which a lax decoder
// takes for the bytes.
func cborInts(b []byte) []byte {
	out := cborHead(4, uint64(len(b)))
	for _, c := range b {
		out = append(out, cborUint(uint64(c))...)
	}
	return out
}

// The places of the fields in a header.
const (
	version = iota
	coop
	device
	seq
	prev
	parents
	depth
	kind
	seal
	clock
	bodyLen
	bodyHash
)

// fields returns the encoded fields of a header.
func fields(h record.Header) [][]byte {
	var ps [][]byte
	for _, p := range h.Parents {
		ps = append(ps, cborBytes(p[:]))
	}
	return [][]byte{
		version: cborUint(h.Version), coop: cborBytes(h.Coop[:]), device: cborBytes(h.Device[:]),
		seq: cborUint(h.Seq), prev: cborBytes(h.Prev[:]), parents: cborArray(ps...), depth: cborUint(h.Depth),
		kind: cborText(h.Kind), seal: cborUint(h.Seal), clock: cborInt(h.Time),
		bodyLen: cborUint(h.BodyLen), bodyHash: cborBytes(h.BodyHash[:]),
	}
}

// complete fills in what record.New fills in.
func complete(h record.Header, body []byte, key *record.Private) record.Header {
	h.Version, h.Device = 1, key.Public()
	h.BodyLen, h.BodyHash = uint64(len(body)), sha256.Sum256(body)
	return h
}

// signRaw signs a header with nothing but the standard library.
func signRaw(raw []byte, key *record.Private) []byte {
	s := key.Seed()
	return ed25519.Sign(ed25519.NewKeyFromSeed(s[:]), append([]byte("coop/1 record\x00"), raw...))
}

// forge wraps a header in a record with a good signature, whatever the header is.
func forge(raw, body []byte, key *record.Private) []byte {
	return cborArray(cborBytes(raw), cborBytes(signRaw(raw, key)), cborBytes(body))
}

// forgeHollow is forge without a body.
func forgeHollow(raw []byte, key *record.Private) []byte {
	return cborArray(cborBytes(raw), cborBytes(signRaw(raw, key)))
}

func seedOf(c byte) (s [32]byte) { return [32]byte(bytes.Repeat([]byte{c}, 32)) }

func keyOf(c byte) *record.Private { return record.NewPrivate(seedOf(c)) }

func idOf(c byte) record.ID { return record.ID(bytes.Repeat([]byte{c}, 32)) }

func mustNew(t testing.TB, h record.Header, body []byte, key *record.Private) *record.Record {
	t.Helper()
	r, err := record.New(h, body, key)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func mustDecode(t testing.TB, b []byte) *record.Record {
	t.Helper()
	r, err := record.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func mustHex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// founding and second are the plainest headers there are.
func founding() record.Header {
	return record.Header{Seq: 1, Depth: 1, Kind: "coop/found", Time: 1_700_000_000_000}
}

func second() record.Header {
	return record.Header{
		Coop: idOf(0xc0), Seq: 2, Prev: idOf(0x10), Parents: []record.ID{idOf(0x20), idOf(0x30)},
		Depth: 3, Kind: "doc/edit", Time: 1_700_000_000_001,
	}
}
