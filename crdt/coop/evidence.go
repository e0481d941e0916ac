package coop

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"coop/crdt/history"
	"coop/crdt/record"
)

// evidenceMagic begins a file of evidence.
const evidenceMagic = "coop/1 evidence\n"

// Evidence returns what an auditor needs to come to this node's minutes without
// it: all records, parents first. What makes the last batch final is in no
// smaller part of them. The file is the magic line, a line that says what it is
// evidence of, and then each record with its length (uint32, big-endian) before
// it.
func (c *Coop) Evidence(subject string) []byte {
	b := []byte(evidenceMagic + subject + "\n")
	for ref := range history.Ref(c.h.Len()) {
		r := c.load(ref).Encode()
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(r))), r...)
	}
	return b
}

// Audit folds evidence anew, trusting nobody: each record is admitted by its
// signature and its past, as a node would, and the minutes are computed from
// the tellers' records. Errors name the first record that cannot stand. What
// the exporter left out an auditor cannot know: the minutes end earlier then.
func Audit(evidence []byte) (subject string, c *Coop, err error) {
	b, ok := bytes.CutPrefix(evidence, []byte(evidenceMagic))
	line, b, whole := bytes.Cut(b, []byte("\n"))
	if !ok || !whole {
		return "", nil, errors.New("this is no file of evidence: `coop export` makes one")
	}
	var records []*record.Record
	c = New(func(ref history.Ref) *record.Record { return records[ref] })
	for n := 1; len(b) > 0; n++ {
		var r *record.Record
		if r, b, err = nextRecord(b); err == nil {
			records = append(records, r)
			err = c.addAudited(r)
		}
		if err != nil {
			return "", nil, fmt.Errorf("record %d of the file does not stand: %w", n, err)
		}
	}
	if c.h.Len() == 0 {
		return "", nil, errors.New("the file holds no record")
	}
	return string(line), c, nil
}

func (c *Coop) addAudited(r *record.Record) error {
	_, fresh, err := c.Add(r)
	if err == nil && !fresh {
		err = errors.New("it is there twice")
	}
	return err
}

func nextRecord(b []byte) (r *record.Record, rest []byte, err error) {
	if len(b) < 4 {
		return nil, nil, errors.New("the file was cut off")
	}
	n := binary.BigEndian.Uint32(b)
	if b = b[4:]; n > record.MaxLen || int(n) > len(b) {
		return nil, nil, errors.New("the file was cut off or is damaged")
	}
	r, err = record.Decode(b[:n])
	return r, b[n:], err
}
