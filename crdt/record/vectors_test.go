package record_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"coop/crdt/record"
)

// The vectors are for whoever writes a second implementation. They are made by
//
//	go test ./crdt/record -run Vectors -update
//
// and every other run holds this code against them, byte for byte.
var update = flag.Bool("update", false, "write the test vectors anew")

const vectorsPath = "../../testdata/vectors/record.json"

type vectors struct {
	About      []string          `json:"about"`
	Records    []recordVector    `json:"records"`
	Invalid    []invalidVector   `json:"invalid"`
	Keys       []keyVector       `json:"keys"`
	Signatures []signatureVector `json:"signatures"`
}

type recordVector struct {
	Name      string   `json:"name"`
	Seed      string   `json:"seed"`
	Coop      string   `json:"coop"`
	Device    string   `json:"device"`
	Seq       uint64   `json:"seq"`
	Prev      string   `json:"prev"`
	Parents   []string `json:"parents"`
	Depth     uint64   `json:"depth"`
	Kind      string   `json:"kind"`
	Time      int64    `json:"time"`
	Body      string   `json:"body"`
	Hollow    bool     `json:"hollow"`
	Header    string   `json:"header"`
	ID        string   `json:"id"`
	IDText    string   `json:"idText"`
	Signature string   `json:"signature"`
	Encoded   string   `json:"encoded"`
}

type invalidVector struct {
	Name    string `json:"name"`
	Reason  string `json:"reason"`
	TooNew  bool   `json:"tooNew"`
	Encoded string `json:"encoded"`

	says string // what the error must say, so that it is refused for this reason
}

type keyVector struct {
	Name  string `json:"name"`
	Key   string `json:"key"`
	Valid bool   `json:"valid"`
}

type signatureVector struct {
	Name      string `json:"name"`
	Key       string `json:"key"`
	Header    string `json:"header"`
	Signature string `json:"signature"`
	Valid     bool   `json:"valid"`
}

var aboutVectors = []string{
	"Bytes are in hexadecimal; (xx*n) stands for n times the byte xx. Integers have up to 64 bits.",
	"records: from seed (the secret key), the fields and the body, everything below them follows. body is what was signed; where hollow is true it is left out of encoded.",
	"invalid: each must be refused; where tooNew is true as being of a newer version. All are well signed, so that nothing but the reason given speaks against them.",
	"keys: which public keys may enter.",
	"signatures: whether signature is good for header under key, by the rules of ZIP-215. Also keys that must not enter stand here.",
}

func buildVectors(t testing.TB) vectors {
	return vectors{aboutVectors, recordVectors(t), invalidVectors(), keyVectors(t), signatureVectors(t)}
}

func recordVectors(t testing.TB) []recordVector {
	var out []recordVector
	add := func(name string, seed byte, h record.Header, body []byte, hollow bool) *record.Record {
		r := mustNew(t, h, body, keyOf(seed))
		e := r
		if hollow {
			e = r.Erase()
		}
		v := recordVector{
			Name: name, Seed: hexOf(bytes.Repeat([]byte{seed}, 32)), Coop: hexOf(r.Coop[:]), Device: hexOf(r.Device[:]),
			Seq: r.Seq, Prev: hexOf(r.Prev[:]), Parents: []string{}, Depth: r.Depth, Kind: r.Kind, Time: r.Time,
			Body: hexOf(body), Hollow: hollow, Header: hexOf(r.Raw), ID: hexOf(r.ID[:]), IDText: r.ID.String(),
			Signature: hexOf(r.Sig[:]), Encoded: hexOf(e.Encode()),
		}
		for _, p := range r.Parents {
			v.Parents = append(v.Parents, hexOf(p[:]))
		}
		out = append(out, v)
		return r
	}
	first := add("founding record", 1, founding(), []byte("terms"), false)
	next := func(depth uint64) record.Header {
		return record.Header{Coop: first.ID, Seq: 2, Prev: first.ID, Depth: depth, Kind: "doc/edit", Time: 1_700_000_000_002}
	}
	other := add("first record of another device", 2, record.Header{
		Coop: first.ID, Seq: 1, Parents: []record.ID{first.ID}, Depth: 2, Kind: "device/add", Time: 1_700_000_000_001,
	}, []byte{}, false)
	h := next(3)
	h.Parents = []record.ID{other.ID}
	add("second record, with prev and a parent", 1, h, []byte("hello"), false)
	add("second record, hollow", 1, h, []byte("hello"), true)
	h = next(2)
	h.Kind = "doc/create"
	add("body in many scripts", 1, h, cborText("crème brûlée · e\u0301 · 苹果 · тест · \U0001f34f · \x00"), false)
	h.Time = 0
	add("least time", 1, h, nil, false)
	add("greatest header", 3, record.Header{
		Coop: first.ID, Seq: record.MaxSeq, Prev: first.ID, Parents: manyParents(record.MaxParents), Depth: math.MaxUint64,
		Kind: strings.Repeat("a", record.MaxKindLen-4) + "/0-9", Time: 0,
	}, []byte{0}, false)
	h = next(2)
	h.Time = record.MaxTime
	add("greatest body", 1, h, bytes.Repeat([]byte{0x5a}, record.MaxBodyLen), false)
	add("greatest body, hollow", 1, h, bytes.Repeat([]byte{0x5a}, record.MaxBodyLen), true)
	return out
}

func manyParents(n int) []record.ID {
	var ids []record.ID
	for i := range n {
		ids = append(ids, sha256.Sum256([]byte{byte(i)}))
	}
	return record.SortIDs(ids)
}

// invalidVectors lists what must be refused.
func invalidVectors() []invalidVector {
	var out []invalidVector
	add := func(name, reason, says string, encoded []byte) {
		out = append(out, invalidVector{Name: name, Reason: reason, Encoded: hexOf(encoded), says: says})
	}
	addHeaders(add)
	addEnvelopes(add)
	newer := func(name string, encoded []byte) {
		out = append(out, invalidVector{name, "a newer version of the protocol", true, hexOf(encoded), "newer version"})
	}
	key, body := keyOf(1), []byte("hello")
	f := fields(complete(second(), body, key))
	f[version] = cborUint(2)
	newer("version 2", forge(cborArray(f...), body, key))
	newer("version 2, hollow", forgeHollow(cborArray(f...), key))
	newer("version 2 with another shape", forge(cborArray(f[version], cborText("new")), body, key))
	f[version] = cborUint(math.MaxUint64)
	newer("greatest version", forge(cborArray(f...), body, key))
	return out
}

type adder func(name, reason, says string, encoded []byte)

const (
	strict  = "not the deterministic encoding of this shape"
	limited = "beyond a limit"
	formed  = "fields that cannot be together"
	unlike  = "the body is not what the header says"
)

func addHeaders(add adder) {
	key, body := keyOf(1), []byte("hello")
	good := complete(second(), body, key)
	// field replaces the encoding of one field, header changes the header.
	field := func(name string, at int, reason, says string, encoded ...byte) {
		f := fields(good)
		f[at] = encoded
		add(name, reason, says, forge(cborArray(f...), body, key))
	}
	header := func(name, reason, says string, change func(h *record.Header)) {
		h := good
		h.Parents = cloneIDs(h.Parents)
		change(&h)
		add(name, reason, says, forge(cborArray(fields(h)...), body, key))
	}
	const inHeader = "header: "
	null, undefined := byte(0xf6), byte(0xf7)
	one := cborBytes(good.Coop[:])
	long := func(b []byte, n int) []byte { return cborBytes(append(b[:len(b):len(b)], 0)[:n]) }

	field("version 0", version, "no such version", "version is 0", 0)
	field("version as null", version, strict, inHeader, null)
	field("version in two bytes", version, strict, inHeader, 0x18, 1)
	field("version as float", version, strict, inHeader, 0xf9, 0x3c, 0)
	field("version as true", version, strict, inHeader, 0xf5)
	field("coop of 31 bytes", coop, strict, inHeader, long(good.Coop[:], 31)...)
	field("coop of 33 bytes", coop, strict, inHeader, long(good.Coop[:], 33)...)
	field("coop as array of integers", coop, strict, inHeader, cborInts(good.Coop[:])...)
	field("coop as null", coop, strict, inHeader, null)
	field("coop as text", coop, strict, inHeader, cborText(strings.Repeat("a", 32))...)
	field("coop with a length in two bytes", coop, strict, inHeader, append([]byte{0x59, 0, 32}, good.Coop[:]...)...)
	field("coop in chunks", coop, strict, inHeader, append(append([]byte{0x5f}, one...), 0xff)...)
	field("coop with a tag", coop, strict, inHeader, append([]byte{0xd8, 0x18}, one...)...)
	field("device of 31 bytes", device, strict, inHeader, long(good.Device[:], 31)...)
	field("device as null", device, strict, inHeader, null)
	field("device as array of integers", device, strict, inHeader, cborInts(good.Device[:])...)
	field("seq in two bytes", seq, strict, inHeader, 0x18, 2)
	field("seq in nine bytes", seq, strict, inHeader, 0x1b, 0, 0, 0, 0, 0, 0, 0, 2)
	field("seq as float", seq, strict, inHeader, 0xf9, 0x40, 0)
	field("seq as big integer", seq, strict, inHeader, 0xc2, 0x41, 2)
	field("seq as text", seq, strict, inHeader, cborText("2")...)
	field("seq negative", seq, strict, inHeader, 0x21)
	field("seq as null", seq, strict, inHeader, null)
	field("seq undefined", seq, strict, inHeader, undefined)
	field("prev of 31 bytes", prev, strict, inHeader, long(good.Prev[:], 31)...)
	field("prev as null", prev, strict, inHeader, null)
	field("parents as null", parents, strict, inHeader, null)
	field("parents as bytes", parents, strict, inHeader, 0x40)
	field("parents as a map", parents, strict, inHeader, 0xa0)
	field("parents of indefinite length", parents, strict, inHeader, append(append([]byte{0x9f}, one...), 0xff)...)
	field("parents with a length in two bytes", parents, strict, inHeader, append([]byte{0x98, 1}, one...)...)
	field("a parent of 31 bytes", parents, strict, inHeader, cborArray(long(good.Coop[:], 31))...)
	field("a parent as null", parents, strict, inHeader, 0x81, null)
	field("depth in three bytes", depth, strict, inHeader, 0x19, 0, 3)
	field("depth negative", depth, strict, inHeader, 0x22)
	field("kind with invalid UTF-8", kind, strict, inHeader, 0x63, 'a', 0xff, 'b')
	field("kind with half a surrogate pair", kind, strict, inHeader, 0x63, 0xed, 0xa0, 0x80)
	field("kind as bytes", kind, strict, inHeader, 0x48, 'd', 'o', 'c', '/', 'e', 'd', 'i', 't')
	field("kind in chunks", kind, strict, inHeader, append(append([]byte{0x7f}, cborText("doc/edit")...), 0xff)...)
	field("kind with a length in two bytes", kind, strict, inHeader, append([]byte{0x78, 8}, "doc/edit"...)...)
	field("kind as null", kind, strict, inHeader, null)
	field("seal as false", seal, strict, inHeader, 0xf4)
	field("seal as null", seal, strict, inHeader, null)
	field("seal as a simple value", seal, strict, inHeader, 0xe0)
	field("time as float", clock, strict, inHeader, 0xfb, 0x42, 0x78, 0xbc, 0xfe, 0x56, 0x80, 0, 0)
	field("time with a tag", clock, strict, inHeader, append([]byte{0xc1}, cborInt(good.Time)...)...)
	field("time in nine bytes", clock, strict, inHeader, 0x1b, 0, 0, 0, 0, 0, 0, 0, 5)
	field("time above 64 bits with sign", clock, strict, inHeader, 0x1b, 0x80, 0, 0, 0, 0, 0, 0, 0)
	field("time below 64 bits with sign", clock, strict, inHeader, 0x3b, 0x80, 0, 0, 0, 0, 0, 0, 0)
	field("bodyLen in two bytes", bodyLen, strict, inHeader, 0x18, 5)
	field("bodyLen as null", bodyLen, strict, inHeader, null)
	field("bodyHash of 31 bytes", bodyHash, strict, inHeader, long(good.BodyHash[:], 31)...)
	field("bodyHash as array of integers", bodyHash, strict, inHeader, cborInts(good.BodyHash[:])...)
	field("bodyHash as null", bodyHash, strict, inHeader, null)

	header("time before 1970", limited, "time is -1", func(h *record.Header) { h.Time = -1 })
	header("time after 9999", limited, "time is 253402300800000", func(h *record.Header) { h.Time = record.MaxTime + 1 })
	header("least time", limited, "time is -9223", func(h *record.Header) { h.Time = math.MinInt64 })
	header("seal 1", "reserved", "seal is 1", func(h *record.Header) { h.Seal = 1 })
	header("seq 0", formed, "seq is 0", func(h *record.Header) { h.Seq, h.Prev = 0, record.ID{} })
	header("seq 0 with prev", formed, "seq is 0", func(h *record.Header) { h.Seq = 0 })
	header("seq beyond 2^20", limited, "seq is 1048577", func(h *record.Header) { h.Seq = record.MaxSeq + 1 })
	header("greatest seq", limited, "seq is 1844", func(h *record.Header) { h.Seq = math.MaxUint64 })
	header("seq 1 with prev", formed, "but prev is", func(h *record.Header) { h.Seq = 1 })
	header("seq 2 without prev", formed, "but prev is", func(h *record.Header) { h.Prev = record.ID{} })
	header("seq 1 without parents", formed, "no parent", func(h *record.Header) { h.Seq, h.Prev, h.Parents = 1, record.ID{}, nil })
	header("parents not sorted", formed, "sorted", func(h *record.Header) { h.Parents[0], h.Parents[1] = h.Parents[1], h.Parents[0] })
	header("the same parent twice", formed, "unique", func(h *record.Header) { h.Parents[1] = h.Parents[0] })
	header("prev among the parents", formed, "name prev", func(h *record.Header) { h.Prev = h.Parents[0] })
	header("prev among the parents, last", formed, "name prev", func(h *record.Header) { h.Prev = h.Parents[1] })
	header("zeros among the parents", formed, "name prev or nothing", func(h *record.Header) { h.Parents[0] = record.ID{} })
	header("zeros among the parents of a first record", formed, "name prev or nothing", func(h *record.Header) {
		h.Seq, h.Prev, h.Parents[0] = 1, record.ID{}, record.ID{}
	})
	header("33 parents", limited, "33 parents", func(h *record.Header) { h.Parents = manyParents(33) })
	header("depth 0", formed, "depth is 0", func(h *record.Header) { h.Depth = 0 })
	header("depth 1", formed, "depth is 1", func(h *record.Header) { h.Depth = 1 })
	header("kind with a capital letter", formed, "character other", func(h *record.Header) { h.Kind = "doc/Edit" })
	header("kind with a space", formed, "character other", func(h *record.Header) { h.Kind = "doc edit" })
	header("kind with an underscore", formed, "character other", func(h *record.Header) { h.Kind = "doc_edit" })
	header("kind with a zero byte", formed, "character other", func(h *record.Header) { h.Kind = "doc/edit\x00" })
	header("kind with an accent", formed, "character other", func(h *record.Header) { h.Kind = "doc/édit" })
	header("empty kind", formed, "kind is 0 bytes", func(h *record.Header) { h.Kind = "" })
	header("kind of 33 bytes", limited, "kind is 33 bytes", func(h *record.Header) { h.Kind = strings.Repeat("a", 33) })
	header("bodyLen too small", unlike, "body is 5 bytes, the header says 4", func(h *record.Header) { h.BodyLen = 4 })
	header("bodyLen too great", unlike, "body is 5 bytes, the header says 6", func(h *record.Header) { h.BodyLen = 6 })
	header("bodyLen beyond 64 KiB", limited, "more than 65536", func(h *record.Header) { h.BodyLen = record.MaxBodyLen + 1 })
	header("bodyHash of another body", unlike, "does not match", func(h *record.Header) { h.BodyHash[31] ^= 1 })
	header("header of 2049 bytes", limited, "header is 2049 bytes", func(h *record.Header) {
		h.Kind = ""
		h.Kind = strings.Repeat("a", record.MaxHeaderLen+1-2-len(cborArray(fields(*h)...)))
	})

	found := func(name string, change func(h *record.Header)) {
		h := complete(founding(), body, key)
		change(&h)
		add(name, formed, "a founding record has", forge(cborArray(fields(h)...), body, key))
	}
	found("founding record with parents", func(h *record.Header) { h.Parents = []record.ID{idOf(7)} })
	found("founding record with depth 2", func(h *record.Header) { h.Depth = 2 })
	found("founding record with depth 0", func(h *record.Header) { h.Depth = 0 })
	found("founding record with seq 2", func(h *record.Header) { h.Seq, h.Prev = 2, idOf(7) })

	f := fields(good)
	shape := func(name string, raw []byte) { add(name, strict, inHeader, forge(raw, body, key)) }
	shape("header with 11 fields", cborArray(f[:11]...))
	shape("header with 13 fields", cborArray(append(f[:12:12], []byte{0})...))
	shape("header with a byte behind it", append(cborArray(f...), 0))
	shape("header cut off", cborArray(f...)[:80])
	shape("header of indefinite length", append(append([]byte{0x9f}, cborArray(f...)[1:]...), 0xff))
	shape("header with a length in two bytes", append([]byte{0x98, 12}, cborArray(f...)[1:]...))
	shape("header with a tag", append([]byte{0xd9, 0xd9, 0xf7}, cborArray(f...)...))
	shape("header as a map", append([]byte{0xa6}, cborArray(f...)[1:]...))
	shape("empty header", nil)
	shape("header that is null", []byte{null})
}

func cloneIDs(ids []record.ID) []record.ID { return append([]record.ID{}, ids...) }

func addEnvelopes(add adder) {
	key, body := keyOf(1), []byte("hello")
	raw := cborArray(fields(complete(second(), body, key))...)
	sig := signRaw(raw, key)
	whole := forge(raw, body, key)
	h, s, b := cborBytes(raw), cborBytes(sig), cborBytes(body)
	shape := func(name string, encoded []byte) { add(name, strict, "record: ", encoded) }
	shape("nothing", nil)
	shape("null", []byte{0xf6})
	shape("record cut off", whole[:len(whole)-1])
	shape("a byte behind the record", append(whole[:len(whole):len(whole)], 0))
	shape("a byte behind a hollow record", append(forgeHollow(raw, key), 0))
	shape("a second record behind the record", append(whole[:len(whole):len(whole)], whole...))
	shape("record of four parts", cborArray(h, s, b, b))
	shape("record of one part", cborArray(h))
	shape("record of indefinite length", append(append([]byte{0x9f}, whole[1:]...), 0xff))
	shape("record with a length in two bytes", append([]byte{0x98, 3}, whole[1:]...))
	shape("hollow record with a length in two bytes", append([]byte{0x98, 2}, forgeHollow(raw, key)[1:]...))
	shape("record with a tag", append([]byte{0xd9, 0xd9, 0xf7}, whole...))
	shape("record as a map", append([]byte{0xa1}, cborArray(h, s)[1:]...))
	shape("header as array of integers", cborArray(cborInts(raw), s, b))
	shape("header not in bytes", cborArray(raw, s, b))
	shape("header with a tag inside the record", cborArray(append([]byte{0xd8, 0x18}, h...), s, b))
	shape("header as null", cborArray([]byte{0xf6}, s, b))
	shape("signature as array of integers", cborArray(h, cborInts(sig), b))
	shape("signature as null", cborArray(h, []byte{0xf6}, b))
	shape("signature with a length in three bytes", cborArray(h, append([]byte{0x59, 0, 64}, sig...), b))
	shape("body as array of integers", cborArray(h, s, cborInts(body)))
	shape("body as null", cborArray(h, s, []byte{0xf6}))
	shape("body as text", cborArray(h, s, cborText(string(body))))
	shape("body in chunks", cborArray(h, s, append(append([]byte{0x5f}, b...), 0xff)))
	shape("body with a length in two bytes", cborArray(h, s, append([]byte{0x58, 5}, body...)))
	add("signature of 63 bytes", strict, "signature is 63 bytes", cborArray(h, cborBytes(sig[:63]), b))
	add("signature of 65 bytes", strict, "signature is 65 bytes", cborArray(h, cborBytes(append(sig, 0)), b))
	add("no signature", strict, "signature is 0 bytes", cborArray(h, cborBytes(nil), b))
	add("body of another record", unlike, "does not match", cborArray(h, s, cborBytes([]byte("hellO"))))
	add("body cut off", unlike, "body is 4 bytes", cborArray(h, s, cborBytes([]byte("hell"))))
	add("body empty", unlike, "body is 0 bytes", cborArray(h, s, cborBytes(nil)))

	long := bytes.Repeat([]byte{0x5a}, record.MaxBodyLen+1)
	overlong := cborArray(fields(complete(second(), long, key))...)
	add("body of 64 KiB and a byte", limited, "body is 65537 bytes, more than", forge(overlong, long, key))
	add("hollow record whose body had 64 KiB and a byte", limited, "body is 65537 bytes, more than", forgeHollow(overlong, key))
	add("record of more than 67680 bytes", limited, "record is", forge(raw, bytes.Repeat([]byte{0}, record.MaxLen), key))
}

func TestVectors(t *testing.T) {
	got, err := json.MarshalIndent(buildVectors(t), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile(vectorsPath, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(vectorsPath)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		at := 0
		for at < min(len(got), len(want)) && got[at] == want[at] {
			at++
		}
		t.Fatalf("vectors differ from %s at byte %d; got …%s", vectorsPath, at, got[max(0, at-100):min(len(got), at+200)])
	}
}

// readVectors reads the file the way a second implementation would.
func readVectors(t testing.TB) (v vectors) {
	t.Helper()
	b, err := os.ReadFile(vectorsPath)
	if err == nil {
		err = json.Unmarshal(b, &v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestVectorRecords(t *testing.T) {
	for _, v := range readVectors(t).Records {
		t.Run(v.Name, func(t *testing.T) {
			key := record.NewPrivate([32]byte(bytesOf(t, v.Seed)))
			body := bytesOf(t, v.Body)
			h := record.Header{
				Coop: record.ID(bytesOf(t, v.Coop)), Seq: v.Seq, Prev: record.ID(bytesOf(t, v.Prev)),
				Depth: v.Depth, Kind: v.Kind, Time: v.Time,
			}
			for _, p := range v.Parents {
				h.Parents = append(h.Parents, record.ID(bytesOf(t, p)))
			}
			r, err := record.New(h, body, key)
			if err != nil {
				t.Fatal(err)
			}
			if v.Hollow {
				r = r.Erase()
			}
			same(t, "encoded", hexOf(r.Encode()), v.Encoded)
			same(t, "device", hexOf(r.Device[:]), v.Device)

			// By hand, without the code under test.
			raw := cborArray(fields(complete(h, body, key))...)
			same(t, "header by hand", hexOf(raw), v.Header)
			same(t, "signature by hand", hexOf(signRaw(raw, key)), v.Signature)
			id := sha256.Sum256(append([]byte("coop/1 id\x00"), raw...))
			same(t, "id by hand", hexOf(id[:]), v.ID)
			encoded := forge(raw, body, key)
			if v.Hollow {
				encoded = forgeHollow(raw, key)
			}
			same(t, "encoded by hand", hexOf(encoded), v.Encoded)

			checkDecoded(t, v, body)
		})
	}
}

func checkDecoded(t *testing.T, v recordVector, body []byte) {
	encoded := bytesOf(t, v.Encoded)
	d := mustDecode(t, encoded)
	if err := d.Verify(); err != nil {
		t.Error(err)
	}
	clear(encoded) // the record must not live in the buffer it came in
	same(t, "encoded again", hexOf(d.Encode()), v.Encoded)
	same(t, "id", hexOf(d.ID[:]), v.ID)
	same(t, "id as text", d.ID.String(), v.IDText)
	same(t, "header", hexOf(d.Raw), v.Header)
	same(t, "kind", d.Kind, v.Kind)
	same(t, "coop", hexOf(d.Coop[:]), v.Coop)
	same(t, "prev", hexOf(d.Prev[:]), v.Prev)
	if d.Seq != v.Seq || d.Depth != v.Depth || d.Time != v.Time || len(d.Parents) != len(v.Parents) || d.BodyLen != uint64(len(body)) {
		t.Errorf("fields: got %+v, want %+v", d.Header, v)
	}
	if d.Hollow != v.Hollow || d.Hollow != (d.Body == nil) || !d.Hollow && !bytes.Equal(d.Body, body) {
		t.Errorf("hollow %v with a body of %d bytes, want %v and %d", d.Hollow, len(d.Body), v.Hollow, len(body))
	}
	wantCoop := d.Coop
	if v.Seq == 1 && len(v.Parents) == 0 {
		wantCoop = d.ID
	}
	if d.Founding() != (wantCoop == d.ID) || d.CoopID() != wantCoop {
		t.Errorf("founding %v of the co-op %s, want co-op %s", d.Founding(), d.CoopID(), wantCoop)
	}
}

func TestVectorInvalid(t *testing.T) {
	made := invalidVectors()
	for i, v := range readVectors(t).Invalid {
		t.Run(v.Name, func(t *testing.T) {
			r, err := record.Decode(bytesOf(t, v.Encoded))
			if err == nil || r != nil {
				t.Fatalf("accepted, want refused: %s", v.Reason)
			}
			if errors.Is(err, record.ErrTooNew) != v.TooNew {
				t.Errorf("got %q, want too new: %v", err, v.TooNew)
			}
			if !strings.Contains(err.Error(), made[i].says) {
				t.Errorf("got %q, want it to say %q", err, made[i].says)
			}
		})
	}
}

func TestVectorKeys(t *testing.T) {
	for _, v := range readVectors(t).Keys {
		err := record.Key(bytesOf(t, v.Key)).Check()
		if (err == nil) != v.Valid {
			t.Errorf("%s: got %v, want valid: %v", v.Name, err, v.Valid)
		}
	}
}

func TestVectorSignatures(t *testing.T) {
	for _, v := range readVectors(t).Signatures {
		key := record.Key(bytesOf(t, v.Key))
		got := key.Verify(record.DomainRecord, bytesOf(t, v.Header), record.Sig(bytesOf(t, v.Signature)))
		if got != v.Valid {
			t.Errorf("%s: got %v, want %v", v.Name, got, v.Valid)
		}
	}
}

// The vectors must hold signatures on which the standard library and ZIP-215
// do not agree, else they say nothing about the rule.
func TestVectorSignaturesTellTheRule(t *testing.T) {
	var differ int
	for _, v := range readVectors(t).Signatures {
		m := append([]byte("coop/1 record\x00"), bytesOf(t, v.Header)...)
		if v.Valid && !ed25519.Verify(bytesOf(t, v.Key), m, bytesOf(t, v.Signature)) {
			differ++
		}
	}
	if differ < 3 {
		t.Errorf("%d signatures are good by ZIP-215 alone, want at least 3", differ)
	}
}

func same(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %.400s\nwant %.400s", what, got, want)
	}
}

// runLen is from how many equal bytes on hexOf writes (xx*n).
const runLen = 64

func hexOf(b []byte) string {
	var s strings.Builder
	for i := 0; i < len(b); {
		n := 1
		for i+n < len(b) && b[i+n] == b[i] {
			n++
		}
		if n >= runLen {
			fmt.Fprintf(&s, "(%02x*%d)", b[i], n)
		} else {
			s.WriteString(hex.EncodeToString(b[i : i+n]))
		}
		i += n
	}
	return s.String()
}

var run = regexp.MustCompile(`\((..)\*(\d+)\)`)

func bytesOf(t testing.TB, s string) []byte {
	t.Helper()
	return mustHex(t, run.ReplaceAllStringFunc(s, func(m string) string {
		part := run.FindStringSubmatch(m)
		n, err := strconv.Atoi(part[2])
		if err != nil {
			t.Fatal(err)
		}
		return strings.Repeat(part[1], n)
	}))
}
