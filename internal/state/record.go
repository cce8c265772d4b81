package state

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"reflect"

	"syncer/internal/contact"
)

// A record is read and written with every event, and JSON would be a third of the work of accepting one. What
// records commonly have is packed: a tag, and a number or bytes. Whatever else a record has, fields that this
// code has never heard of among them, follows as JSON. A row that begins with a brace is JSON altogether.
const recordForm = 1

// Tags of packed fields. They stand in rows on disk: a number is never given to another field.
const (
	tagRest = iota
	tagSource
	tagEvent
	tagArrival
	tagNum
	tagSeq
	tagDeleted
	tagThin
	tagArrived
	tagRead
	tagLast
	tagListed
	tagIDs
	tagDue
	tagLane
	tagFirst
	tagEvents
	tagPart
	tagMapped
	tagPartMapping
	tagPartName
	tagPartPart
	tagPartPerson
	tagPartIdentity
	tagSpilled
)

// AppendBinary implements encoding.BinaryAppender.
func (r Record) AppendBinary(b []byte) ([]byte, error) {
	p := packer(append(b, recordForm))
	rest := r
	rest.Version, rest.Num, rest.Seq, rest.Deleted, rest.Thin, rest.Arrived, rest.Read = contact.Version{}, 0, 0, false, false, 0, 0
	rest.Last, rest.Listed, rest.IDs, rest.Due, rest.Lane, rest.First, rest.Events, rest.Mapped, rest.Spilled = nil, nil, nil, 0, 0, 0, 0, "", false
	if packable(r.Parts) {
		rest.Parts = nil
	}
	if !reflect.ValueOf(rest).IsZero() {
		raw, err := json.Marshal(rest)
		if err != nil {
			return nil, err
		}
		p.bytes(tagRest, raw) // first: what is packed replaces what it says
	}
	p.number(tagSource, r.Version.Source)
	p.number(tagEvent, r.Version.Event)
	p.number(tagArrival, r.Version.Arrival)
	p.number(tagNum, int64(r.Num))
	p.number(tagSeq, int64(r.Seq))
	p.flag(tagDeleted, r.Deleted)
	p.flag(tagThin, r.Thin)
	p.number(tagArrived, r.Arrived)
	p.number(tagRead, r.Read)
	p.bytes(tagLast, r.Last)
	p.bytes(tagListed, r.Listed)
	p.bytes(tagIDs, r.IDs)
	p.flag(tagSpilled, r.Spilled)
	p.number(tagDue, r.Due)
	p.number(tagLane, int64(r.Lane))
	p.number(tagFirst, r.First)
	p.number(tagEvents, int64(r.Events))
	p.bytes(tagMapped, []byte(r.Mapped))
	if rest.Parts == nil {
		for i := range r.Parts {
			p.block(tagPart, r.Parts[i].pack())
		}
	}
	return p, nil
}

func (part *RecordPart) pack() []byte {
	p := packer(make([]byte, 0, 64))
	p.bytes(tagPartMapping, []byte(part.Mapping))
	p.bytes(tagPartPart, []byte(part.Part))
	p.number(tagPartPerson, int64(part.Person))
	p.bytes(tagPartIdentity, []byte(part.Identity))
	p.bytes(tagPartName, []byte(part.Name))
	return p
}

// packable reports whether parts have nothing but what pack knows.
func packable(parts []RecordPart) bool {
	for _, p := range parts {
		p.Mapping, p.Part, p.Person, p.Identity, p.Name = "", "", 0, "", ""
		if p != (RecordPart{}) {
			return false
		}
	}
	return true
}

// UnmarshalBinary implements encoding.BinaryUnmarshaler.
func (r *Record) UnmarshalBinary(raw []byte) error {
	*r = Record{}
	switch {
	case len(raw) > 0 && raw[0] == '{':
		return json.Unmarshal(raw, r)
	case len(raw) == 0 || raw[0] != recordForm:
		return errors.New("a record of an unknown form")
	}
	return unpack(append([]byte(nil), raw[1:]...), func(tag uint64, n int64, b []byte) (err error) {
		switch tag {
		case tagRest:
			err = json.Unmarshal(b, r)
		case tagSource:
			r.Version.Source = n
		case tagEvent:
			r.Version.Event = n
		case tagArrival:
			r.Version.Arrival = n
		case tagNum:
			r.Num = uint64(n)
		case tagSeq:
			r.Seq = uint64(n)
		case tagDeleted:
			r.Deleted = true
		case tagThin:
			r.Thin = true
		case tagArrived:
			r.Arrived = n
		case tagRead:
			r.Read = n
		case tagLast:
			r.Last = b
		case tagListed:
			r.Listed = b
		case tagIDs:
			r.IDs = b
		case tagSpilled:
			r.Spilled = true
		case tagDue:
			r.Due = n
		case tagLane:
			r.Lane = Lane(n)
		case tagFirst:
			r.First = n
		case tagEvents:
			r.Events = int(n)
		case tagMapped:
			r.Mapped = string(b)
		case tagPart:
			r.Parts = append(r.Parts, RecordPart{})
			err = r.Parts[len(r.Parts)-1].unpack(b)
		}
		return err
	})
}

func (part *RecordPart) unpack(raw []byte) error {
	return unpack(raw, func(tag uint64, n int64, b []byte) error {
		switch tag {
		case tagPartMapping:
			part.Mapping = string(b)
		case tagPartPart:
			part.Part = string(b)
		case tagPartPerson:
			part.Person = PersonID(n)
		case tagPartIdentity:
			part.Identity = contact.Identity(b)
		case tagPartName:
			part.Name = string(b)
		}
		return nil
	})
}

// packer appends fields that are not zero.
type packer []byte

func (p *packer) number(tag uint64, n int64) {
	if n != 0 {
		*p = binary.AppendVarint(binary.AppendUvarint(*p, tag<<1), n)
	}
}

func (p *packer) flag(tag uint64, on bool) {
	if on {
		p.number(tag, 1)
	}
}

func (p *packer) bytes(tag uint64, b []byte) {
	if len(b) > 0 {
		p.block(tag, b)
	}
}

// block appends bytes even when there are none.
func (p *packer) block(tag uint64, b []byte) {
	*p = binary.AppendUvarint(binary.AppendUvarint(*p, tag<<1|1), uint64(len(b)))
	*p = append(*p, b...)
}

var errCut = errors.New("a record that is cut short")

// unpack gives the fields of a row in turn; fields of unknown tags can be passed over.
func unpack(raw []byte, field func(tag uint64, n int64, b []byte) error) error {
	for len(raw) > 0 {
		tag, size := binary.Uvarint(raw)
		if size <= 0 {
			return errCut
		}
		raw = raw[size:]
		var n int64
		var b []byte
		if tag&1 == 0 {
			if n, size = binary.Varint(raw); size <= 0 {
				return errCut
			}
			raw = raw[size:]
		} else {
			length, size := binary.Uvarint(raw)
			if size <= 0 || length > uint64(len(raw)-size) {
				return errCut
			}
			b, raw = raw[size:size+int(length):size+int(length)], raw[size+int(length):]
		}
		if err := field(tag>>1, n, b); err != nil {
			return err
		}
	}
	return nil
}
