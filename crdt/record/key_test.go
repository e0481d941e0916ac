package record_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/big"
	"math/rand"
	"os"
	"regexp"
	"strings"
	"testing"

	"filippo.io/edwards25519"
	"pgregory.net/rapid"

	"coop/crdt/record"
)

// The eight points of small order, with every encoding that decodes to one.
var smallOrder = []struct{ name, key string }{
	{"order 1", "0100000000000000000000000000000000000000000000000000000000000000"},
	{"order 2", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"},
	{"order 4", "0000000000000000000000000000000000000000000000000000000000000000"},
	{"order 4, other sign", "0000000000000000000000000000000000000000000000000000000000000080"},
	{"order 8, first", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"},
	{"order 8, second", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85"},
	{"order 8, third", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"},
	{"order 8, fourth", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"},
	{"order 1, x of zero with a sign", "0100000000000000000000000000000000000000000000000000000000000080"},
	{"order 1, y above p", "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"},
	{"order 1, y above p, x of zero with a sign", "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
	{"order 2, x of zero with a sign", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
	{"order 4, y of p", "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"},
	{"order 4, y of p, other sign", "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
}

// torsion is a point of order 8.
func torsion(t testing.TB) *edwards25519.Point { return point(t, mustHex(t, smallOrder[4].key)) }

func point(t testing.TB, b []byte) *edwards25519.Point {
	t.Helper()
	p, err := new(edwards25519.Point).SetBytes(b)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestSmallOrderList(t *testing.T) {
	points := map[string]bool{}
	for _, k := range smallOrder {
		p := point(t, mustHex(t, k.key))
		points[string(p.Bytes())] = true
		if new(edwards25519.Point).MultByCofactor(p).Equal(edwards25519.NewIdentityPoint()) != 1 {
			t.Errorf("%s is not of small order", k.name)
		}
	}
	if len(points) != 8 {
		t.Errorf("%d points of small order, want 8", len(points))
	}
}

// offCurve is the first y that belongs to no point.
func offCurve() (k record.Key) {
	for ; ; k[0]++ {
		if _, err := new(edwards25519.Point).SetBytes(k[:]); err != nil {
			return k
		}
	}
}

// aboveP is a second encoding of a point that is not of small order.
func aboveP(t testing.TB) (k record.Key) {
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	for y := int64(2); y < 19; y++ {
		k = littleEndian(new(big.Int).Add(p, big.NewInt(y)))
		if _, err := new(edwards25519.Point).SetBytes(k[:]); err == nil {
			return k
		}
	}
	t.Fatal("no y between p + 2 and 2^255 is on the curve")
	return k
}

func littleEndian(n *big.Int) (b [32]byte) {
	n.FillBytes(b[:])
	for i := range 16 {
		b[i], b[31-i] = b[31-i], b[i]
	}
	return b
}

func keyVectors(t testing.TB) []keyVector {
	var out []keyVector
	add := func(name string, key []byte, valid bool) {
		out = append(out, keyVector{name, hexOf(key), valid})
	}
	for _, k := range smallOrder {
		add(k.name, mustHex(t, k.key), false)
	}
	above, off := aboveP(t), offCurve()
	add("not canonical, not of small order", above[:], false)
	add("no point of the curve", off[:], false)
	add("y of 2^255 - 1 with a sign", bytes.Repeat([]byte{0xff}, 32), false)
	plain := keyOf(1).Public()
	add("ordinary", plain[:], true)
	add("ordinary and a point of order 8", signer{a: secret(1), twist: torsion(t)}.public(), true)
	return out
}

func TestCheck(t *testing.T) {
	for i := range 50 {
		seed := sha256.Sum256([]byte{byte(i)})
		if err := record.NewPrivate(seed).Public().Check(); err != nil {
			t.Errorf("seed %x: %v", seed, err)
		}
	}
	tests := []struct {
		name string
		key  []byte
		says string
	}{
		{"off the curve", mustHex(t, hexOfKey(offCurve())), "not a point"},
		{"y above p", mustHex(t, hexOfKey(aboveP(t))), "not canonical"},
		{"order 1", mustHex(t, smallOrder[0].key), "small order"},
		{"order 8", mustHex(t, smallOrder[7].key), "small order"},
		{"order 1, not canonical", mustHex(t, smallOrder[8].key), "not canonical"},
	}
	for _, tt := range tests {
		err := record.Key(tt.key).Check()
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: got %v, want an error that says %q", tt.name, err, tt.says)
		}
	}
}

func hexOfKey(k record.Key) string { return hexOf(k[:]) }

// signer signs as a cheat can: with any multiple of the group's small points in
// the key and in the signature.
type signer struct {
	a     *edwards25519.Scalar
	twist *edwards25519.Point // added to the key
}

func secret(c byte) *edwards25519.Scalar {
	seed := seedOf(c)
	h := sha512.Sum512(seed[:])
	a, err := new(edwards25519.Scalar).SetBytesWithClamping(h[:32])
	if err != nil {
		panic(err)
	}
	return a
}

func (s signer) public() []byte {
	p := new(edwards25519.Point).ScalarBaseMult(s.a)
	return p.Add(p, s.twist).Bytes()
}

// sign returns R ‖ S with R = nonce·B + twistR, or R as the encoding given.
func (s signer) sign(m []byte, nonce byte, twistR *edwards25519.Point, encodedR []byte) (sig record.Sig) {
	r := edwards25519.NewScalar()
	if encodedR == nil {
		r = secret(nonce)
		p := new(edwards25519.Point).ScalarBaseMult(r)
		encodedR = p.Add(p, twistR).Bytes()
	}
	h := sha512.Sum512(bytes.Join([][]byte{encodedR, s.public(), []byte(record.DomainRecord), m}, nil))
	k, err := new(edwards25519.Scalar).SetUniformBytes(h[:])
	if err != nil {
		panic(err)
	}
	copy(sig[:32], encodedR)
	copy(sig[32:], k.MultiplyAdd(k, s.a, r).Bytes())
	return sig
}

// addOrder adds the order of the group to S: the same scalar, written twice.
func addOrder(sig record.Sig) record.Sig {
	order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	var b [32]byte
	copy(b[:], sig[32:])
	n := littleEndian(new(big.Int).SetBytes(b[:])) // as big endian
	s := littleEndian(order.Add(order, new(big.Int).SetBytes(n[:])))
	copy(sig[32:], s[:])
	return sig
}

// signatureVectors signs headers of records by keys and with signatures on
// which verifiers are known to differ.
func signatureVectors(t testing.TB) []signatureVector {
	var out []signatureVector
	zero, eight := edwards25519.NewIdentityPoint(), torsion(t)
	minusEight := new(edwards25519.Point).Negate(eight)
	four := point(t, mustHex(t, smallOrder[2].key))
	add := func(name string, s signer, valid bool, sign func(m []byte) record.Sig) {
		h := second()
		h.Kind = "vector/" + fmt.Sprint(len(out))
		h = complete(h, nil, keyOf(1))
		h.Device = record.Key(s.public())
		raw := cborArray(fields(h)...)
		sig := sign(raw)
		out = append(out, signatureVector{name, hexOf(s.public()), hexOf(raw), hexOf(sig[:]), valid})
	}
	plain := signer{secret(1), zero}
	plainly := func(m []byte) record.Sig { return plain.sign(m, 9, zero, nil) }
	add("ordinary", plain, true, plainly)
	add("S plus the order of the group", plain, false, func(m []byte) record.Sig { return addOrder(plainly(m)) })
	add("R plus a point of order 8", plain, true, func(m []byte) record.Sig { return plain.sign(m, 9, eight, nil) })
	add("R minus a point of order 8", plain, true, func(m []byte) record.Sig { return plain.sign(m, 9, minusEight, nil) })
	add("R plus a point of order 4", plain, true, func(m []byte) record.Sig { return plain.sign(m, 9, four, nil) })
	mixed, mixedBack := signer{secret(1), eight}, signer{secret(2), minusEight}
	add("key plus a point of order 8", mixed, true, func(m []byte) record.Sig { return mixed.sign(m, 9, zero, nil) })
	add("key minus a point of order 8", mixedBack, true, func(m []byte) record.Sig { return mixedBack.sign(m, 9, zero, nil) })
	add("key and R plus a point of order 8", mixed, true, func(m []byte) record.Sig { return mixed.sign(m, 9, eight, nil) })
	add("R of order 1", plain, true, func(m []byte) record.Sig { return plain.sign(m, 0, nil, zero.Bytes()) })
	for _, r := range smallOrder[8:] {
		encoded := mustHex(t, r.key)
		add("R not canonical: "+r.name, plain, true, func(m []byte) record.Sig { return plain.sign(m, 0, nil, encoded) })
	}
	off := offCurve()
	add("R no point of the curve", plain, false, func(m []byte) record.Sig { return plain.sign(m, 0, nil, off[:]) })
	small := signer{edwards25519.NewScalar(), eight}
	add("key of order 8: S of 0 fits every message", small, true, func(m []byte) record.Sig { return small.sign(m, 0, nil, zero.Bytes()) })
	add("signature of another message", plain, false, func(m []byte) record.Sig { return plainly(append(m[:len(m):len(m)], 0)) })
	add("signature by another key", plain, false, func(m []byte) record.Sig { return mixed.sign(m, 9, zero, nil) })
	add("signature for another purpose", plain, false, func(m []byte) record.Sig { return keyOf(1).Sign(record.DomainCard, m) })
	add("zeros", plain, false, func([]byte) record.Sig { return record.Sig{} })
	add("S with its highest bits set", plain, false, func(m []byte) record.Sig {
		sig := plainly(m)
		sig[63] |= 0xe0
		return sig
	})
	return out
}

// TestVerifyAll holds that a batch and a single check give one verdict, for
// ordinary signatures and for those on which verifiers differ.
func TestVerifyAll(t *testing.T) {
	vs := signatureVectors(t)
	encoded := make([][]byte, len(vs))
	good := make([]bool, len(vs))
	for i, v := range vs {
		encoded[i] = cborArray(cborBytes(bytesOf(t, v.Header)), cborBytes(bytesOf(t, v.Signature)), cborBytes(nil))
		good[i] = v.Valid
		if err := mustDecode(t, encoded[i]).Verify(); (err == nil) != v.Valid {
			t.Errorf("alone, %s: got %v, want good: %v", v.Name, err, v.Valid)
		}
	}
	seed := rand.Int63()
	rng := rand.New(rand.NewSource(seed))
	for round := range 150 {
		n := rng.Intn(8)
		if round%50 == 49 {
			n = 100 + rng.Intn(100) // the other way of adding up
		}
		onlyGood := rng.Intn(3) == 0
		var pick []int
		for range n {
			i := rng.Intn(len(vs))
			for onlyGood && !good[i] {
				i = rng.Intn(len(vs))
			}
			pick = append(pick, i)
		}
		checkBatch(t, fmt.Sprintf("seed %d, round %d", seed, round), rng, encoded, good, pick)
	}
}

func checkBatch(t *testing.T, name string, rng *rand.Rand, encoded [][]byte, good []bool, pick []int) {
	t.Helper()
	var rs []*record.Record
	var want *record.Record
	for _, i := range pick {
		r := mustDecode(t, encoded[i])
		if rng.Intn(5) == 0 {
			_ = r.Verify() // some of a batch are checked already
		}
		rs = append(rs, r)
		if want == nil && !good[i] {
			want = r
		}
		if rng.Intn(5) == 0 {
			rs = append(rs, r) // and some stand in it twice
		}
	}
	if got := record.VerifyAll(rs); got != want {
		t.Fatalf("%s: got %v, want %v", name, got, want)
	}
	for k, r := range rs {
		one, err := record.Decode(r.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if a, b := r.Verify() == nil, one.Verify() == nil; a != b {
			t.Fatalf("%s: record %d is good: %v after the batch, %v alone", name, k, a, b)
		}
	}
}

// A record that stands twice in a batch must not lend its verdict to the next.
func TestVerifyAllTwice(t *testing.T) {
	good := mustNew(t, founding(), nil, keyOf(1)).Encode()
	bad := bytes.Clone(good)
	bad[len(bad)-2] ^= 1
	twice, last := mustDecode(t, good), mustDecode(t, bad)
	if got := record.VerifyAll([]*record.Record{twice, twice, last}); got != last {
		t.Errorf("got %v, want the last record", got)
	}
	if last.Verify() == nil {
		t.Error("the bad signature counts as checked")
	}
}

func TestVerifyAllOfNone(t *testing.T) {
	if got := record.VerifyAll(nil); got != nil {
		t.Errorf("got %v, want nil", got)
	}
	signed := mustNew(t, founding(), nil, keyOf(1))
	if got := record.VerifyAll([]*record.Record{signed}); got != nil {
		t.Errorf("got %v for a record just signed, want nil", got)
	}
}

func TestSign(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "seed"))
		m := rapid.SliceOf(rapid.Byte()).Draw(t, "message")
		d := rapid.SampledFrom(record.Domains()).Draw(t, "domain")
		key, std := record.NewPrivate(seed), ed25519.NewKeyFromSeed(seed[:])
		if got, want := key.Public(), record.Key(std.Public().(ed25519.PublicKey)); got != want {
			t.Fatalf("public key: got %s, want %s", got, want)
		}
		if key.Seed() != seed {
			t.Fatalf("seed: got %x, want %x", key.Seed(), seed)
		}
		sig := key.Sign(d, m)
		if want := record.Sig(ed25519.Sign(std, append([]byte(d), m...))); sig != want {
			t.Fatalf("signature: got %x, want %x", sig, want)
		}
		if !key.Public().Verify(d, m, sig) {
			t.Fatal("its own signature does not verify")
		}
	})
}

// TestVerifyAgain holds that a signature that was good makes no other good.
func TestVerifyAgain(t *testing.T) {
	d, key, m := record.DomainCard, keyOf(1), []byte("a message")
	sig := key.Sign(d, m)
	bad := sig
	bad[40] ^= 1
	for range 2 {
		if !key.Public().Verify(d, m, sig) {
			t.Fatal("its own signature does not verify")
		}
		for what, got := range map[string]bool{
			"another message":   key.Public().Verify(d, []byte("a massage"), sig),
			"another key":       keyOf(2).Public().Verify(d, m, sig),
			"another signature": key.Public().Verify(d, m, bad),
			"another domain":    key.Public().Verify(record.DomainDevice, m, sig),
		} {
			if got {
				t.Errorf("the signature verifies for %s", what)
			}
		}
	}
}

func TestDomains(t *testing.T) {
	src, err := os.ReadFile("key.go")
	if err != nil {
		t.Fatal(err)
	}
	domains := record.Domains()
	if declared := len(regexp.MustCompile(`\bDomain[A-Za-z]+ +Domain = `).FindAll(src, -1)); declared != len(domains) {
		t.Errorf("Domains lists %d, %d are declared", len(domains), declared)
	}
	key, m := keyOf(1), []byte("\x00 member\x00")
	for i, d := range domains {
		if !strings.HasPrefix(string(d), "coop/1 ") || !strings.HasSuffix(string(d), "\x00") {
			t.Errorf("domain %q is not of the usual form", d)
		}
		sig := key.Sign(d, m)
		for j, other := range domains {
			if i != j && strings.HasPrefix(string(other), string(d)) {
				t.Errorf("domain %q is a prefix of %q", d, other)
			}
			if got := key.Public().Verify(other, m, sig); got != (i == j) {
				t.Errorf("signature for %q verifies for %q: %v", d, other, got)
			}
			if same := d.Hash(m) == other.Hash(m); same != (i == j) {
				t.Errorf("hash for %q is that for %q: %v", d, other, same)
			}
		}
	}
}

func TestHash(t *testing.T) {
	want := sha256.Sum256([]byte("coop/1 roll\x00abc"))
	for _, parts := range [][][]byte{{[]byte("abc")}, {[]byte("a"), []byte("bc")}, {nil, []byte("abc"), {}}} {
		if got := record.DomainRoll.Hash(parts...); got != want {
			t.Errorf("Hash(%q): got %x, want %x", parts, got, want)
		}
	}
	if got, want := record.DomainRoll.Hash(), sha256.Sum256([]byte("coop/1 roll\x00")); got != want {
		t.Errorf("Hash of nothing: got %x, want %x", got, want)
	}
}

func TestText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "bytes"))
		id, key := record.ID(b), record.Key(b)
		if len(id.String()) != 52 || id.String() != key.String() || id.String()[:8] != id.Short() || key.Short() != id.Short() {
			t.Fatalf("text of %x: %s, %s, %s, %s", b, id, key, id.Short(), key.Short())
		}
		for _, s := range []string{id.String(), strings.ToUpper(id.String())} {
			if got, err := record.ParseID(s); got != id || err != nil {
				t.Fatalf("ParseID(%s): got %s, %v", s, got, err)
			}
		}
		type named struct {
			ID   record.ID
			Key  record.Key
			ByID map[record.ID]int
		}
		in := named{id, key, map[record.ID]int{id: 1}}
		text, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		var out named
		if err := json.Unmarshal(text, &out); err != nil || out.ID != id || out.Key != key || out.ByID[id] != 1 {
			t.Fatalf("through JSON: got %+v, %v, want %+v", out, err, in)
		}
	})
}

func TestTextRefused(t *testing.T) {
	good := idOf(0x5a).String()
	tests := []struct{ name, text string }{
		{"empty", ""},
		{"short form", good[:8]},
		{"one character less", good[:51]},
		{"one character more", good + "a"},
		{"four characters more", good + "aaaa"},
		{"padding", good + "===="},
		{"a digit that is no letter of the text", "0" + good[1:]},
		{"a space in front", " " + good},
		{"a line break behind", good + "\n"},
		{"a line break inside", good[:20] + "\r\n" + good[20:]},
		{"last bits not zero", good[:51] + "b"},
		{"a letter that only looks like a k", strings.Repeat("\u212a", 51) + "a"},
		{"hexadecimal", strings.Repeat("5a", 32)},
	}
	for _, tt := range tests {
		id, err := record.ParseID(tt.text)
		if err == nil || id != (record.ID{}) {
			t.Errorf("%s: ParseID(%q): got %s, %v, want an error", tt.name, tt.text, id, err)
		}
		id, key := idOf(1), record.Key(idOf(2))
		if err := id.UnmarshalText([]byte(tt.text)); err == nil || id != idOf(1) {
			t.Errorf("%s: id became %s, %v", tt.name, id, err)
		}
		err = key.UnmarshalText([]byte(tt.text))
		if err == nil || key != record.Key(idOf(2)) || !strings.Contains(err.Error(), "key") {
			t.Errorf("%s: key became %s, %v", tt.name, key, err)
		}
	}
}

func TestCompare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		small := rapid.SliceOfN(rapid.ByteRange(0, 1), 2, 2)
		var a, b record.ID
		x, y := small.Draw(t, "a"), small.Draw(t, "b")
		a[0], a[31], b[0], b[31] = x[0], x[1], y[0], y[1]
		n, m := binary.BigEndian.Uint16(x), binary.BigEndian.Uint16(y)
		want := 0
		if n != m {
			want = 1
			if n < m {
				want = -1
			}
		}
		if got := a.Compare(b); got != want {
			t.Fatalf("%s to %s: got %d, want %d", a, b, got, want)
		}
		if got := record.Key(a).Compare(record.Key(b)); got != want {
			t.Fatalf("keys %s to %s: got %d, want %d", a, b, got, want)
		}
	})
}

func TestSortIDs(t *testing.T) {
	a, b, c := idOf(1), idOf(2), idOf(3)
	got := record.SortIDs([]record.ID{c, a, b, a, c})
	if want := []record.ID{a, b, c}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := record.SortIDs(nil); len(got) != 0 {
		t.Errorf("got %v for none", got)
	}
}
