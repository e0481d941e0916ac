// Package wire is what two nodes say to each other on a stream: the messages
// and their one encoding.
//
// A message is one byte, its number below, and a CBOR array in the deterministic
// encoding of package record. A frame is a length of four bytes, big-endian, which
// counts what follows it; a byte that says how the array is packed (0 plain, 1
// zstd); the number; and the packed array. So who reads knows from six bytes what
// comes, and whether it wants to hear that now, before it holds or unpacks any.
//
//	1 hello    version, nonce, time           first, from both sides
//	2 proof    mac                            knowledge of the network secret, bound to both nonces and both ends
//	3 show     device, sig, code, agent       who I am: a device, and of a newcomer how its code begins
//	4 welcome                                 go on: you may pull
//	5 wait     reason                         you are a newcomer whom nobody has admitted yet; stay if you like
//	6 bye      reason, evidence               the door closes, and why; evidence is two records in one slot
//	7 pull     digest, tips                   send me what you have beyond these
//	8 probe    ids                            which of these do you have?
//	9 have     ids                            these
//	10 records records, left                  answer to pull, parents first; left is how many are still to come
//	11 end     digest                         the answer to pull is complete; digest of the sender's frontier
//	12 hint    digest                         I have news; pull if your digest differs
//	13 bundle  coop, assumes                  begins a file, see package bundle; it is never said on a stream
//	14 ask     mac                            I do not know your device: how did it come to the co-op?
//	15 vouch   card, vouch                    by this card, or by these records
//	16 clock   time                           what my clock says now, now and then
//	17 addrs   lists                          where nodes can be reached, as each says and signed itself
package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"coop/crdt/record"
)

// Limits of what a peer can make this node hold.
const (
	MaxFrameLen   = 256 << 10 // bytes of a frame as sent, without its length
	MaxMessageLen = 512 << 10 // bytes of a message unpacked
	MaxTips       = 4096      // of a pull or a bundle; a node that holds more names only so many and may be sent records it has
	MaxProbe      = 4096
	MaxVouch      = 16  // records of a vouch: so many admissions and devices in a row are not heard of
	MaxReasonLen  = 400 // bytes
	MaxAgentLen   = 64  // bytes

	// RecordsLen is how many bytes of records a sender puts into one message.
	RecordsLen = 160 << 10

	// VouchLen is how many bytes of records a vouch may have.
	VouchLen = 32 << 10

	// packFrom is the length from which packing is worth its cost.
	packFrom = 256
)

// longest holds, by its number, how many bytes a message may have, its number
// counted: what the limits of its fields come to, rounded up.
var longest = [...]int{
	1: 64, 2: 64, 3: 256, 4: 2, 5: 512, 6: 8 << 10,
	7: idsLen, 8: idsLen, 9: idsLen, 10: MaxMessageLen, 11: 64, 12: 64, 13: idsLen, 14: 64, 15: VouchLen + 4<<10, 16: 64,
	17: MaxLists*(maxListLen+4) + 16,
}

// idsLen is the room for the most ids that a message names.
const idsLen = MaxTips*34 + 128

// Expected is a set of kinds of messages: those that may come now.
type Expected uint32

// Expect returns the set of the kinds of some messages.
func Expect(ms ...Message) (e Expected) {
	for _, m := range ms {
		e |= 1 << m.number()
	}
	return e
}

// ErrUnexpected says that a message came which must not come now. It was neither
// read nor unpacked.
var ErrUnexpected = errors.New("that message was not expected now")

// Version is the number of this protocol of messages.
const Version = 1

// Message is one of the message types of this package.
type Message interface{ number() byte }

// The messages. Their fields are described in the package comment.
type (
	Hello struct {
		_       struct{} `cbor:",toarray"`
		Version uint64
		Nonce   [32]byte
		Time    int64 // unix milliseconds by the sender's clock, 0 to record.MaxTime
	}
	Proof struct {
		_   struct{} `cbor:",toarray"`
		MAC [32]byte
	}
	Show struct {
		_      struct{} `cbor:",toarray"`
		Device record.Key
		Sig    record.Sig
		Code   [8]byte // how the key begins that a newcomer's code or card is about; zeros: it is none
		Agent  string
	}
	Welcome struct {
		_ struct{} `cbor:",toarray"`
	}
	Wait struct {
		_      struct{} `cbor:",toarray"`
		Reason string
	}
	Bye struct {
		_        struct{} `cbor:",toarray"`
		Reason   string
		Evidence [][]byte
	}
	Pull struct {
		_      struct{} `cbor:",toarray"`
		Digest [32]byte
		Tips   []record.ID
	}
	Probe struct {
		_   struct{} `cbor:",toarray"`
		IDs []record.ID
	}
	Have struct {
		_   struct{} `cbor:",toarray"`
		IDs []record.ID
	}
	// Records carries records whose encoding and signatures were checked when
	// the message was decoded.
	Records struct {
		Records []*record.Record
		Left    uint64
	}
	End struct {
		_      struct{} `cbor:",toarray"`
		Digest [32]byte
	}
	Hint struct {
		_      struct{} `cbor:",toarray"`
		Digest [32]byte
	}
	Bundle struct {
		_       struct{} `cbor:",toarray"`
		Coop    record.ID
		Assumes []record.ID // what its reader must hold, with all that is in their past
	}
	Ask struct {
		_   struct{} `cbor:",toarray"`
		MAC [32]byte // proof that the asker knows the key of Show.Code; zeros where that is zero
	}
	// Vouch says how a device came to the co-op. Its records were checked as those
	// of Records.
	Vouch struct {
		Card  []byte // of a newcomer, or of a device that added itself; else empty
		Vouch []*record.Record
	}
)

// Clock repeats the time of Hello.
type Clock struct {
	_    struct{} `cbor:",toarray"`
	Time int64
}

type encodedRecords struct {
	_       struct{} `cbor:",toarray"`
	Records [][]byte
	Left    uint64
}

type encodedVouch struct {
	_     struct{} `cbor:",toarray"`
	Card  []byte
	Vouch [][]byte
}

func (Hello) number() byte   { return 1 }
func (Proof) number() byte   { return 2 }
func (Show) number() byte    { return 3 }
func (Welcome) number() byte { return 4 }
func (Wait) number() byte    { return 5 }
func (Bye) number() byte     { return 6 }
func (Pull) number() byte    { return 7 }
func (Probe) number() byte   { return 8 }
func (Have) number() byte    { return 9 }
func (Records) number() byte { return 10 }
func (End) number() byte     { return 11 }
func (Hint) number() byte    { return 12 }
func (Bundle) number() byte  { return 13 }
func (Ask) number() byte     { return 14 }
func (Vouch) number() byte   { return 15 }
func (Clock) number() byte   { return 16 }

var errTooMuch = errors.New("more than the protocol allows, or the same twice")

// Encode returns the one encoding of a message.
func Encode(m Message) []byte {
	body := any(m)
	switch m := m.(type) {
	case Records:
		body = encodedRecords{Records: encodeAll(m.Records), Left: m.Left}
	case Vouch:
		body = encodedVouch{Card: m.Card, Vouch: encodeAll(m.Vouch)}
	case Addrs:
		body = m.encoded()
	}
	return append([]byte{m.number()}, record.Marshal(body)...)
}

func encodeAll(rs []*record.Record) [][]byte {
	out := make([][]byte, len(rs))
	for i, r := range rs {
		out[i] = r.Encode()
	}
	return out
}

// Decode reads a message. Records in it are decoded and their signatures
// checked, so it may be slow: call it outside the node's loop.
func Decode(b []byte) (Message, error) {
	if len(b) == 0 {
		return nil, errors.New("message is empty")
	}
	if err := fitting(b[0], len(b)); err != nil {
		return nil, err
	}
	switch b[0] {
	case 1:
		return decode(b, func(m Hello) bool { return isTime(m.Time) })
	case 2:
		return decode[Proof](b, nil)
	case 3:
		return decode(b, func(m Show) bool { return len(m.Agent) <= MaxAgentLen })
	case 4:
		return decode[Welcome](b, nil)
	case 5:
		return decode(b, func(m Wait) bool { return len(m.Reason) <= MaxReasonLen })
	case 6:
		return decode(b, func(m Bye) bool { return len(m.Reason) <= MaxReasonLen && len(m.Evidence) <= 2 })
	case 7:
		return decode(b, func(m Pull) bool { return fewIDs(m.Tips, MaxTips) })
	case 8:
		return decode(b, func(m Probe) bool { return fewIDs(m.IDs, MaxProbe) })
	case 9:
		return decode(b, func(m Have) bool { return fewIDs(m.IDs, MaxProbe) })
	case 10:
		return decodeRecords(b)
	case 11:
		return decode[End](b, nil)
	case 12:
		return decode[Hint](b, nil)
	case 13:
		return decode(b, func(m Bundle) bool { return fewIDs(m.Assumes, MaxTips) })
	case 14:
		return decode[Ask](b, nil)
	case 15:
		return decodeVouch(b)
	case 16:
		return decode(b, func(m Clock) bool { return isTime(m.Time) })
	case 17:
		return decodeAddrs(b)
	}
	panic("wire: a message without a decoder")
}

// fitting checks the number and the length of a message, its number counted.
func fitting(number byte, n int) error {
	if number == 0 || int(number) >= len(longest) {
		return fmt.Errorf("message number %d is unknown", number)
	}
	if n > longest[number] {
		return fmt.Errorf("message %d is %d bytes, more than %d", number, n, longest[number])
	}
	return nil
}

func isTime(ms int64) bool { return 0 <= ms && ms <= record.MaxTime }

func decode[M Message](b []byte, fits func(M) bool) (Message, error) {
	var m M
	if err := record.Unmarshal(b[1:], &m); err != nil {
		return nil, fmt.Errorf("message %d: %w", b[0], err)
	}
	if fits != nil && !fits(m) {
		return nil, fmt.Errorf("message %d: %w", b[0], errTooMuch)
	}
	return m, nil
}

func fewIDs(ids []record.ID, most int) bool {
	return len(ids) <= most && noneTwice(ids, func(id record.ID) record.ID { return id })
}

// noneTwice reports whether nothing is said twice in one message. No honest node does
// that, and it packs to nothing: so a few bytes could ask for much work.
func noneTwice[T any, K comparable](all []T, key func(T) K) bool {
	seen := make(map[K]bool, len(all))
	for _, one := range all {
		seen[key(one)] = true
	}
	return len(seen) == len(all)
}

func decodeRecords(b []byte) (Message, error) {
	var e encodedRecords
	if err := record.Unmarshal(b[1:], &e); err != nil {
		return nil, fmt.Errorf("message 10: %w", err)
	}
	rs, err := OpenRecords(e.Records)
	if err != nil {
		return nil, err
	}
	return Records{Records: rs, Left: e.Left}, nil
}

// decodeVouch counts before it verifies: whoever knows the network secret may send
// one.
func decodeVouch(b []byte) (Message, error) {
	var e encodedVouch
	if err := record.Unmarshal(b[1:], &e); err != nil {
		return nil, fmt.Errorf("message 15: %w", err)
	}
	lenBytes := len(e.Card)
	for _, r := range e.Vouch {
		lenBytes += len(r)
	}
	if len(e.Vouch) > MaxVouch || lenBytes > VouchLen {
		return nil, fmt.Errorf("message 15: %w", errTooMuch)
	}
	rs, err := OpenRecords(e.Vouch)
	if err != nil {
		return nil, err
	}
	return Vouch{Card: e.Card, Vouch: rs}, nil
}

// OpenRecords decodes encoded records and checks their signatures. It refuses
// all if one is bad, or there twice.
func OpenRecords(encoded [][]byte) ([]*record.Record, error) {
	rs := make([]*record.Record, len(encoded))
	for i, b := range encoded {
		r, err := record.Decode(b)
		if err != nil {
			return nil, err
		}
		if r.Hollow {
			return nil, fmt.Errorf("record %s comes without its body, and no body can be erased in this version", r.ID.Short())
		}
		rs[i] = r
	}
	if !noneTwice(rs, func(r *record.Record) record.ID { return r.ID }) {
		return nil, errTooMuch
	}
	if bad := record.VerifyAll(rs); bad != nil {
		return nil, fmt.Errorf("record %s: bad signature", bad.ID.Short())
	}
	return rs, nil
}

// EncodeGossip returns the gossip message that carries these records.
func EncodeGossip(rs []*record.Record) []byte { return record.Marshal(encodeAll(rs)) }

// Limits of a gossip message.
const (
	MaxGossip    = 8        // records
	MaxGossipLen = 96 << 10 // bytes
)

// DecodeGossip reads a gossip message and checks its records' signatures.
func DecodeGossip(b []byte) ([]*record.Record, error) {
	if len(b) > MaxGossipLen {
		return nil, fmt.Errorf("gossip is %d bytes, more than %d", len(b), MaxGossipLen)
	}
	var encoded [][]byte
	if err := record.Unmarshal(b, &encoded); err != nil {
		return nil, fmt.Errorf("gossip: %w", err)
	}
	if len(encoded) == 0 || len(encoded) > MaxGossip {
		return nil, fmt.Errorf("gossip has %d records, not 1 to %d", len(encoded), MaxGossip)
	}
	return OpenRecords(encoded)
}

// Codec packs and unpacks frames. Its methods may be called by one goroutine
// for reading and another for writing.
type Codec struct {
	packer   *zstd.Encoder
	unpacker *zstd.Decoder
}

// NewCodec returns a codec, or an error if the machine has no memory for one.
func NewCodec() (*Codec, error) {
	packer, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, err
	}
	unpacker, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxMessageLen), zstd.WithDecoderLowmem(true), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		return nil, err
	}
	return &Codec{packer, unpacker}, nil
}

// WriteFrame writes one message and returns the bytes it took.
func (c *Codec) WriteFrame(w io.Writer, m Message) (int, error) {
	message := Encode(m)
	if len(message) > longest[m.number()] {
		panic(fmt.Sprintf("wire: a message %d of %d bytes", m.number(), len(message)))
	}
	frame := append(make([]byte, 0, len(message)+5), 0, 0, 0, 0, 0, m.number())
	if len(message) >= packFrom {
		if frame = c.packer.EncodeAll(message[1:], frame); len(frame)-5 < len(message) {
			frame[4] = 1
		} else {
			frame = frame[:6]
		}
	}
	if frame[4] == 0 {
		frame = append(frame, message[1:]...)
	}
	if len(frame)-4 > MaxFrameLen {
		panic(fmt.Sprintf("wire: a frame of %d bytes", len(frame)-4))
	}
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
	return w.Write(frame)
}

// ReadFrame reads one message. Once it knows from the first bytes what comes, it asks
// expects whether that may come now: if not, or if it is longer than such a message
// can be, no more is read. Whatever is wrong, the stream is of no further use.
func (c *Codec) ReadFrame(r io.Reader, expects func() Expected) (Message, error) {
	var head [6]byte
	if _, err := io.ReadFull(r, head[:4]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint32(head[:4]))
	if n < 3 || n > MaxFrameLen {
		return nil, fmt.Errorf("frame is %d bytes, not 3 to %d", n, MaxFrameLen)
	}
	if _, err := io.ReadFull(r, head[4:]); err != nil {
		return nil, err
	}
	packed, number := head[4], head[5]
	if packed > 1 {
		return nil, fmt.Errorf("frame is packed in way %d, which is unknown", packed)
	}
	// Packed, a message is never longer than plain.
	if err := fitting(number, n-1); err != nil {
		return nil, err
	}
	if expects()&(1<<number) == 0 {
		return nil, ErrUnexpected
	}
	message := make([]byte, n-1)
	message[0] = number
	if _, err := io.ReadFull(r, message[1:]); err != nil {
		return nil, err
	}
	if packed == 1 {
		var err error
		if message, err = c.unpack(message); err != nil {
			return nil, fmt.Errorf("frame: %w", err)
		}
	}
	return Decode(message)
}

// unpack returns a message whose array came packed. It asks for no more memory than
// the array says that it takes, nor than such a message may have.
func (c *Codec) unpack(message []byte) ([]byte, error) {
	var head zstd.Header
	if err := head.Decode(message[1:]); err != nil {
		return nil, err
	}
	if longest[message[0]] <= packFrom {
		return nil, errors.New("so short a message is never packed")
	}
	if !head.HasFCS || head.FrameContentSize >= uint64(longest[message[0]]) {
		return nil, errors.New("it does not say its length, or is longer than it may be")
	}
	return c.unpacker.DecodeAll(message[1:], append(make([]byte, 0, head.FrameContentSize+1), message[0]))
}
