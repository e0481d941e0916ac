// Package record is the signed statement of one device: its one encoding, its
// id and its signature. Everything a co-op knows is a set of such records.
//
// A record on the wire, on disk and in a bundle is the CBOR array
//
//	[header, signature, body]    or, when the body was erased,    [header, signature]
//
// of byte strings. The header is itself a CBOR array, in this order:
//
//	version   uint       1
//	coop      bytes32    id of the founding record; zeros in the founding record itself
//	device    bytes32    Ed25519 public key of the author's device
//	seq       uint       1, 2, 3 … on this device, at most MaxSeq
//	prev      bytes32    the device's previous record; zeros if and only if seq is 1
//	parents   [bytes32]  other heads the author had seen: sorted, unique, at most MaxParents, without prev
//	depth     uint       1 + the greatest depth among prev and parents; 1 in the founding record
//	kind      text       what the body says, at most MaxKindLen bytes of a-z, 0-9, '/' and '-'
//	seal      uint       0; reserved for bodies sealed with a content key of the co-op
//	time      int        unix milliseconds as the author's clock said; shown to people, read by no rule
//	bodyLen   uint       at most MaxBodyLen
//	bodyHash  bytes32    SHA-256 of the body
//
//	id        = SHA-256("coop/1 id\0" ‖ header)
//	signature = Ed25519("coop/1 record\0" ‖ header), verified by the rules of ZIP-215
//
// The encoding is deterministic CBOR (RFC 8949, section 4.2.1). What decodes is
// validated, encoded again and compared, so one record has one encoding.
package record

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

// Limits of a record. They are constants of the protocol.
const (
	Version      = 1
	MaxHeaderLen = 2 << 10  // bytes
	MaxBodyLen   = 64 << 10 // bytes
	MaxSeq       = 1 << 20
	MaxParents   = 32
	MaxKindLen   = 32 // bytes

	// MaxTime is the last moment that a record can name, in unix milliseconds: the
	// end of the year 9999, behind which many programs cannot write a date.
	MaxTime = 253402300799999

	// MaxLen bounds a whole encoded record, in bytes.
	MaxLen = MaxHeaderLen + MaxBodyLen + 96
)

// ErrTooNew says that a record was written by a newer version of the protocol.
// It is neither refused nor kept: the person is told to update.
var ErrTooNew = errors.New("record is of a newer version of the protocol; update coop")

// Header is everything of a record that is signed. Its fields are described in
// the package comment.
type Header struct {
	_        struct{} `cbor:",toarray"`
	Version  uint64
	Coop     ID
	Device   Key
	Seq      uint64
	Prev     ID
	Parents  []ID
	Depth    uint64
	Kind     string
	Seal     uint64
	Time     int64
	BodyLen  uint64
	BodyHash [32]byte
}

// Record is a decoded or freshly signed record. Nothing in it may be changed.
type Record struct {
	Header
	ID     ID
	Raw    []byte // the header as it was signed
	Sig    Sig
	Body   []byte // nil when hollow
	Hollow bool   // the body is absent

	verified bool
}

// envelope and hollowEnvelope are the two outer forms of a record.
type envelope struct {
	_      struct{} `cbor:",toarray"`
	Header []byte
	Sig    []byte
	Body   []byte
}

type hollowEnvelope struct {
	_      struct{} `cbor:",toarray"`
	Header []byte
	Sig    []byte
}

// New signs a record. It fills in the version, the device and the body's length
// and hash, and refuses a header that Decode would refuse. A time out of range
// becomes the nearest in range: who has a wrong clock can still write.
func New(h Header, body []byte, key *Private) (*Record, error) {
	h.Version = Version
	h.Device = key.Public()
	h.BodyLen = uint64(len(body))
	h.BodyHash = sha256.Sum256(body)
	h.Time = min(max(h.Time, 0), MaxTime)
	if h.Parents == nil {
		h.Parents = []ID{}
	}
	if err := h.check(); err != nil {
		return nil, err
	}
	raw := Marshal(h)
	if len(raw) > MaxHeaderLen {
		return nil, fmt.Errorf("header is %d bytes, more than %d", len(raw), MaxHeaderLen)
	}
	if body == nil {
		body = []byte{}
	}
	return &Record{Header: h, ID: idOf(raw), Raw: raw, Sig: key.Sign(DomainRecord, raw), Body: body, verified: true}, nil
}

// Decode reads one encoded record. It checks the encoding and every limit but
// not the signature, which Verify and VerifyAll check. Errors wrap ErrTooNew
// when the record is of a later version.
func Decode(b []byte) (*Record, error) {
	if len(b) > MaxLen {
		return nil, fmt.Errorf("record is %d bytes, more than %d", len(b), MaxLen)
	}
	if len(b) > 0 && b[0] == 0x82 {
		var e hollowEnvelope
		if err := Unmarshal(b, &e); err != nil {
			return nil, fmt.Errorf("record: %w", err)
		}
		return fromParts(e.Header, e.Sig, nil, true)
	}
	var e envelope
	if err := Unmarshal(b, &e); err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	return fromParts(e.Header, e.Sig, e.Body, false)
}

func fromParts(raw, sig, body []byte, hollow bool) (*Record, error) {
	if len(raw) > MaxHeaderLen {
		return nil, fmt.Errorf("header is %d bytes, more than %d", len(raw), MaxHeaderLen)
	}
	if len(sig) != len(Sig{}) {
		return nil, fmt.Errorf("signature is %d bytes, not %d", len(sig), len(Sig{}))
	}
	if v, ok := versionOf(raw); ok && v > Version {
		return nil, fmt.Errorf("version %d: %w", v, ErrTooNew)
	}
	r := &Record{Raw: raw, ID: idOf(raw), Sig: Sig(sig), Body: body, Hollow: hollow}
	if err := Unmarshal(raw, &r.Header); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	if err := r.Header.check(); err != nil {
		return nil, err
	}
	if hollow {
		return r, nil
	}
	if uint64(len(body)) != r.BodyLen {
		return nil, fmt.Errorf("body is %d bytes, the header says %d", len(body), r.BodyLen)
	}
	if sha256.Sum256(body) != r.BodyHash {
		return nil, errors.New("body does not match the hash in the header")
	}
	return r, nil
}

// versionOf reads the version of a header without trusting the rest of it:
// another version may have another shape.
func versionOf(raw []byte) (uint64, bool) {
	if len(raw) < 2 || raw[0]>>5 != 4 || raw[0]&0x1f > 23 {
		return 0, false
	}
	var v uint64
	if _, err := decMode.UnmarshalFirst(raw[1:], &v); err != nil {
		return 0, false
	}
	return v, true
}

// check holds the rules of a header that need nothing but the header.
func (h *Header) check() error {
	founding := h.Coop == ID{}
	switch {
	case h.Version != Version:
		return fmt.Errorf("version is %d, not %d", h.Version, Version)
	case h.Seal != 0:
		return fmt.Errorf("seal is %d, not 0", h.Seal)
	case h.Seq == 0 || h.Seq > MaxSeq:
		return fmt.Errorf("seq is %d, not 1 to %d", h.Seq, MaxSeq)
	case (h.Seq == 1) != (h.Prev == ID{}):
		return fmt.Errorf("seq is %d but prev is %s", h.Seq, h.Prev.Short())
	case len(h.Parents) > MaxParents:
		return fmt.Errorf("%d parents, more than %d", len(h.Parents), MaxParents)
	case founding && (h.Seq != 1 || len(h.Parents) > 0 || h.Depth != 1):
		return errors.New("a founding record has seq 1, depth 1 and no parents")
	case !founding && h.Seq == 1 && len(h.Parents) == 0:
		return errors.New("the first record of a device has no parent")
	case !founding && h.Depth < 2:
		return fmt.Errorf("depth is %d", h.Depth)
	case h.Time < 0 || h.Time > MaxTime:
		return fmt.Errorf("time is %d, not 0 to %d", h.Time, MaxTime)
	case h.BodyLen > MaxBodyLen:
		return fmt.Errorf("body is %d bytes, more than %d", h.BodyLen, MaxBodyLen)
	}
	if err := checkKind(h.Kind); err != nil {
		return err
	}
	for i, p := range h.Parents {
		if p == h.Prev || p == (ID{}) {
			return errors.New("parents name prev or nothing")
		}
		if i > 0 && bytes.Compare(h.Parents[i-1][:], p[:]) >= 0 {
			return errors.New("parents are not sorted and unique")
		}
	}
	return nil
}

func checkKind(kind string) error {
	if kind == "" || len(kind) > MaxKindLen || !utf8.ValidString(kind) {
		return fmt.Errorf("kind is %d bytes, not 1 to %d", len(kind), MaxKindLen)
	}
	for _, c := range kind {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '/' && c != '-' {
			return fmt.Errorf("kind %q has a character other than a-z, 0-9, / and -", kind)
		}
	}
	return nil
}

// Founding reports whether r founds a co-op.
func (r *Record) Founding() bool { return r.Coop == ID{} }

// CoopID is the co-op r belongs to: its own id if r founds one.
func (r *Record) CoopID() ID {
	if r.Founding() {
		return r.ID
	}
	return r.Coop
}

// Encode returns the one encoding of r.
func (r *Record) Encode() []byte {
	if r.Hollow {
		return Marshal(hollowEnvelope{Header: r.Raw, Sig: r.Sig[:]})
	}
	return Marshal(envelope{Header: r.Raw, Sig: r.Sig[:], Body: r.Body})
}

// Erase returns r without its body.
func (r *Record) Erase() *Record {
	c := *r
	c.Body, c.Hollow = nil, true
	return &c
}

// SortIDs sorts ids in place and drops repeats, as Header.Parents needs them.
func SortIDs(ids []ID) []ID {
	slices.SortFunc(ids, ID.Compare)
	return slices.Compact(ids)
}

// Trusted returns a record of this node's own store, which was decoded and
// verified before it was stored: neither is done again. The body may be left
// out (nil) where only the graph is wanted.
func Trusted(header []byte, sig Sig, body []byte, hollow bool) (*Record, error) {
	r := &Record{Raw: header, ID: idOf(header), Sig: sig, Body: body, Hollow: hollow, verified: true}
	if err := decMode.Unmarshal(header, &r.Header); err != nil {
		return nil, fmt.Errorf("stored header: %w", err)
	}
	return r, nil
}
