package state

import (
	"encoding/json"
	"iter"

	"syncer/internal/contact"
)

// CountDueRecords counts the records that wait to be mapped, up to a limit.
func CountDueRecords(tx Tx, limit int) (n int) {
	for range tx.Scan(todo, nil, nil) {
		if n++; n >= limit {
			break
		}
	}
	return n
}

// ScanRecords yields the keys of a source's records without reading them.
func ScanRecords(tx Tx, source string) iter.Seq[contact.Key] {
	return func(yield func(contact.Key) bool) {
		for k := range tx.Scan(Records.Name, Prefix(source), nil) {
			if !yield(parseRecordKey(k)) {
				return
			}
		}
	}
}

// Names lists the sources or targets that the keys of a table begin with.
func Names(tx Tx, table string) (names []string) {
	for from, more := []byte(nil), true; more; {
		more = false
		for k := range tx.Scan(table, nil, from) {
			name, _ := cut(k)
			names, from, more = append(names, name), append([]byte(name), 1), true // behind everything of this name
			break
		}
	}
	return names
}

// CountMirror counts the contacts in a target's mirror.
func CountMirror(tx Tx, target string) (n int) {
	for range tx.Scan(Mirror.Name, Prefix(target), nil) {
		n++
	}
	return n
}

// mirrorMark is what the names of the mirrors' marks begin with.
const mirrorMark = "mirror/"

// ReadMirrorMark returns how far a target's mirror has read.
func ReadMirrorMark(tx Tx, target string) MirrorMark {
	row, _ := Marks.Get(tx, mirrorMark+target)
	return readMirrorMark(row)
}

func readMirrorMark(row Mark) (mark MirrorMark) {
	if len(row.Data) > 0 {
		if err := json.Unmarshal(row.Data, &mark); err != nil {
			Fail(err)
		}
	}
	return mark
}

// WriteMirrorMark stores how far a target's mirror has read.
func WriteMirrorMark(tx Tx, target string, mark MirrorMark) {
	raw, err := json.Marshal(mark)
	if err != nil {
		Fail(err)
	}
	Marks.Put(tx, mirrorMark+target, Mark{Data: raw})
}
