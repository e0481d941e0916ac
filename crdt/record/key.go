package record

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"

	"filippo.io/edwards25519"
	lru "github.com/hashicorp/golang-lru/v2"
	voi "github.com/oasisprotocol/curve25519-voi/primitives/ed25519"
)

// ID names a record, and by extension what the record makes: a co-op, a
// listing, a proposal, a payment.
type ID [32]byte

// Key is an Ed25519 public key.
type Key [32]byte

// Sig is an Ed25519 signature.
type Sig [64]byte

// text is how ids and keys are written for people and in JSON: 52 characters.
var text = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// shortLen is enough to tell the records of one co-op apart by eye.
const shortLen = 8

func idOf(header []byte) ID { return DomainID.Hash(header) }

// String returns the full text form of an id.
func (id ID) String() string { return text.EncodeToString(id[:]) }

// Short returns the first characters of the text form.
func (id ID) Short() string { return id.String()[:shortLen] }

// Compare orders ids by their bytes.
func (id ID) Compare(other ID) int { return bytes.Compare(id[:], other[:]) }

// MarshalText writes the text form, for JSON.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// MarshalBinary gives the bytes, for CBOR: without it they are read one by one.
func (id ID) MarshalBinary() ([]byte, error) { return id[:], nil }

// UnmarshalText reads the text form.
func (id *ID) UnmarshalText(b []byte) error {
	parsed, err := ParseID(string(b))
	if err == nil {
		*id = parsed
	}
	return err
}

// ParseID reads the text form of an id.
func ParseID(s string) (ID, error) {
	lower := strings.ToLower(s)
	b, err := text.DecodeString(lower)
	// Some letters outside ASCII become shorter and ASCII in lower case.
	if err != nil || len(b) != len(ID{}) || len(s) != len(lower) || text.EncodeToString(b) != lower {
		return ID{}, fmt.Errorf("%q is not an id", s)
	}
	return ID(b), nil
}

// String returns the full text form of a key.
func (k Key) String() string { return text.EncodeToString(k[:]) }

// Short returns the first characters of the text form.
func (k Key) Short() string { return k.String()[:shortLen] }

// Compare orders keys by their bytes.
func (k Key) Compare(other Key) int { return bytes.Compare(k[:], other[:]) }

// MarshalText writes the text form, for JSON.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// MarshalBinary gives the bytes, for CBOR.
func (k Key) MarshalBinary() ([]byte, error) { return k[:], nil }

// MarshalBinary gives the bytes, for CBOR.
func (s Sig) MarshalBinary() ([]byte, error) { return s[:], nil }

// UnmarshalText reads the text form.
func (k *Key) UnmarshalText(b []byte) error {
	id, err := ParseID(string(b))
	if err != nil {
		return fmt.Errorf("%q is not a key", b)
	}
	*k = Key(id)
	return nil
}

// Check refuses keys that must never enter: those that are no point of the
// curve, those in a non-canonical encoding, and those of small order, under
// which one signature fits every message.
func (k Key) Check() error {
	if _, ok := goodKeys.Get(k); ok {
		return nil
	}
	p, err := new(edwards25519.Point).SetBytes(k[:])
	if err != nil {
		return fmt.Errorf("key %s is not a point of the curve", k.Short())
	}
	if !bytes.Equal(p.Bytes(), k[:]) {
		return fmt.Errorf("key %s is not canonical", k.Short())
	}
	if new(edwards25519.Point).MultByCofactor(p).Equal(edwards25519.NewIdentityPoint()) == 1 {
		return fmt.Errorf("key %s is of small order", k.Short())
	}
	goodKeys.Add(k, struct{}{})
	return nil
}

// Verify reports whether sig is k's signature over m in this domain.
func (k Key) Verify(d Domain, m []byte, sig Sig) bool {
	seen := d.Hash(k[:], sig[:], m)
	if _, ok := goodSigs.Get(seen); ok {
		return true
	}
	ok := k.verify(d, m, sig)
	if ok {
		goodSigs.Add(seen, struct{}{})
	}
	return ok
}

func (k Key) verify(d Domain, m []byte, sig Sig) bool {
	return voi.VerifyWithOptions(k[:], d.message(m), sig[:], zip215)
}

// Keys that passed Check, and hashes of what passed Verify. Each rule that reads a
// card looks at its keys and signatures, and so does each fold anew. What is bad
// is not kept. The two are apart: a key can be made to look like a hash.
var (
	goodKeys = newCache[Key]()
	goodSigs = newCache[[32]byte]()
)

func newCache[K comparable]() *lru.Cache[K, struct{}] {
	c, err := lru.New[K, struct{}](1 << 12)
	if err != nil {
		panic(err) // the size is not positive
	}
	return c
}

// Private is a key that signs. It is the only thing in this program that does.
type Private struct{ key ed25519.PrivateKey }

// NewPrivate derives a key from its 32 secret bytes.
func NewPrivate(seed [32]byte) *Private { return &Private{ed25519.NewKeyFromSeed(seed[:])} }

// Public returns the key that verifies what p signs.
func (p *Private) Public() Key { return Key(p.key.Public().(ed25519.PublicKey)) }

// Seed returns the secret bytes p was made from.
func (p *Private) Seed() [32]byte { return [32]byte(p.key.Seed()) }

// Sign signs m in the given domain.
func (p *Private) Sign(d Domain, m []byte) Sig {
	return Sig(ed25519.Sign(p.key, d.message(m)))
}

// zip215 is the one rule for signatures, for one and for many.
var zip215 = &voi.Options{Verify: voi.VerifyOptionsZIP_215}

var errSignature = errors.New("signature does not verify")

// Verify checks the signature of r, once.
func (r *Record) Verify() error {
	if r.verified {
		return nil
	}
	if !r.Device.verify(DomainRecord, r.Raw, r.Sig) {
		return errSignature
	}
	r.verified = true
	return nil
}

// VerifyAll checks the signatures of many records together, which costs about
// a third of checking them one by one, and returns the first that is bad, or
// nil. The verdict on each record is that of Verify.
func VerifyAll(rs []*Record) (bad *Record) {
	var open []*Record
	for _, r := range rs {
		if !r.verified {
			open = append(open, r)
		}
	}
	if len(open) == 1 { // alone it costs less than in a batch
		if open[0].Verify() != nil {
			return open[0]
		}
		return nil
	}
	batch := voi.NewBatchVerifierWithCapacity(len(open))
	for _, r := range open {
		batch.AddWithOptions(r.Device[:], DomainRecord.message(r.Raw), r.Sig[:], zip215)
	}
	all, each := batch.Verify(nil)
	for i, r := range open {
		r.verified = all || each[i]
		if !r.verified && bad == nil {
			bad = r
		}
	}
	return bad
}

// Domain separates the purposes for which bytes are hashed or signed, so that
// nothing made for one can be replayed for another. It is put before the bytes;
// no domain is a prefix of another.
type Domain string

// All the domains of the protocol.
const (
	DomainID        Domain = "coop/1 id\x00"        // hash: the id of a record
	DomainRecord    Domain = "coop/1 record\x00"    // signature of a device over a header
	DomainMember    Domain = "coop/1 member\x00"    // hash: the id of a member
	DomainActor     Domain = "coop/1 actor\x00"     // hash: the Automerge actor of an edit
	DomainFounder   Domain = "coop/1 founder\x00"   // signature of a founder over the founding terms
	DomainCard      Domain = "coop/1 card\x00"      // signatures over a join card
	DomainDevice    Domain = "coop/1 device\x00"    // signatures over a device card
	DomainTransport Domain = "coop/1 transport\x00" // signature of a device over its node's transport key
	DomainAddrs     Domain = "coop/1 addrs\x00"     // signature of a transport key over its node's addresses
	DomainHello     Domain = "coop/1 hello\x00"     // HMAC that shows knowledge of the network secret
	DomainTopic     Domain = "coop/1 topic\x00"     // HMAC that names the gossip topic
	DomainState     Domain = "coop/1 state\x00"     // hash: the digest of a folded state
	DomainRoll      Domain = "coop/1 roll\x00"      // hash: an electorate
	DomainFrontier  Domain = "coop/1 frontier\x00"  // hash: the digest of a frontier
	DomainAnchors   Domain = "coop/1 anchors\x00"   // hash: the list of anchors
	DomainSeat      Domain = "coop/1 seat\x00"      // signature of a root over the passing of a teller's seat
	DomainReseat    Domain = "coop/1 reseat\x00"    // signature of a member over a re-seating
	DomainInvite    Domain = "coop/1 invite\x00"    // hash: the checksum of an invite code
	DomainWords     Domain = "coop/1 words\x00"     // stretched hash: the four words of a card
)

// Domains lists every domain, for the test that keeps them apart.
func Domains() []Domain {
	return []Domain{DomainID, DomainRecord, DomainMember, DomainActor, DomainFounder, DomainCard, DomainDevice,
		DomainTransport, DomainAddrs, DomainHello, DomainTopic, DomainState, DomainRoll, DomainFrontier, DomainAnchors, DomainSeat, DomainReseat, DomainInvite, DomainWords}
}

// Hash returns SHA-256 over the domain and the parts one after the other.
// Parts of variable length must not stand next to each other.
func (d Domain) Hash(parts ...[]byte) [32]byte {
	h := sha256.New()
	h.Write([]byte(d))
	for _, p := range parts {
		h.Write(p)
	}
	return [32]byte(h.Sum(nil))
}

func (d Domain) message(m []byte) []byte {
	return append(append(make([]byte, 0, len(d)+len(m)), d...), m...)
}
