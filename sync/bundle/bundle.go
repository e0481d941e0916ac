// Package bundle drives package replica into and out of a file: what one node
// would send another over the network, for a person to carry.
//
// A bundle is the bytes of an answer to a pull, in the frames of package wire:
//
//	bundle             the co-op, and the tips the reader is assumed to hold
//	records …          parents first, as they would be sent
//	end                digest of the writer's frontier
//
// Nothing follows the end. A reader needs nothing of the writer: each record
// carries its signature, and is taken by the rules of a pull. So it does no harm
// to read a bundle twice, or one that was cut off, or that somebody tampered
// with: what came before the damage stays, and another try goes on from there.
//
// A bundle is in clear. Whoever gets it reads what the members wrote.
package bundle

import (
	"errors"
	"fmt"
	"io"

	"coop/sync/replica"
	"coop/sync/wire"
)

// Write writes a bundle and returns how many records are in it. It holds one
// message at a time in memory.
func Write(w io.Writer, e *replica.Export) (records int, err error) {
	codec, err := wire.NewCodec()
	if err != nil {
		return 0, err
	}
	for {
		m, err := e.Next()
		if m == nil || err != nil {
			return records, err
		}
		if _, err := codec.WriteFrame(w, m); err != nil {
			return records, err
		}
		if rs, ok := m.(wire.Records); ok {
			records += len(rs.Records)
		}
	}
}

// Reader reads a bundle, one frame at a time. It checks each record's encoding
// and signature, which may be slow: use it outside the node's loop.
type Reader struct {
	from  io.Reader
	codec *wire.Codec
	head  wire.Bundle
	done  error // what Next returns from now on
}

// ErrCut says that a bundle ends before its end. What it held was good.
var ErrCut = errors.New("the bundle was cut off before its end: what came before is good, a whole copy brings the rest")

// NewReader reads the beginning of a bundle.
func NewReader(from io.Reader) (*Reader, error) {
	codec, err := wire.NewCodec()
	if err != nil {
		return nil, err
	}
	r := &Reader{from: from, codec: codec}
	m, err := r.codec.ReadFrame(from, func() wire.Expected { return wire.Expect(wire.Bundle{}) })
	head, ok := m.(wire.Bundle)
	if err != nil || !ok {
		return nil, errors.New("this is no bundle of a co-op's records")
	}
	r.head = head
	return r, nil
}

// Head says what the bundle is of, and what it assumes.
func (r *Reader) Head() wire.Bundle { return r.head }

// Next returns the next message, Records or the End, and behind that io.EOF.
// ErrCut says that the bundle breaks off, any other error that it is damaged;
// in both cases nothing more comes.
func (r *Reader) Next() (wire.Message, error) {
	if r.done != nil {
		return nil, r.done
	}
	m, err := r.codec.ReadFrame(r.from, func() wire.Expected { return wire.Expect(wire.Records{}, wire.End{}) })
	switch m.(type) {
	case wire.Records:
		return m, nil
	case wire.End:
		if r.done = r.nothingMore(); r.done == io.EOF {
			return m, nil
		}
	case nil:
		r.done = fmt.Errorf("the bundle is damaged: %w", err)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			r.done = ErrCut
		}
		if errors.Is(err, wire.ErrUnexpected) {
			r.done = errors.New("the bundle is damaged: it holds what belongs in no bundle")
		}
	}
	return nil, r.done
}

// nothingMore returns io.EOF where the file ends.
func (r *Reader) nothingMore() error {
	_, err := io.ReadFull(r.from, make([]byte, 1))
	if err == nil {
		return errors.New("the bundle is damaged: something stands behind its end")
	}
	return err
}
