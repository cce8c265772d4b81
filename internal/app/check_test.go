package app

import (
	"strings"
	"testing"
)

// TestCheckAsksTheList: what check says of a source is what came back from it.
//
// At first it said `✓ source loja: the API answers` of a list that nobody listened for: a generic source cannot name its
// place, and nothing else was asked.
func TestCheckAsksTheList(t *testing.T) {
	t.Parallel()
	s := newStage(t, somebody(1, "Ana Lima", "84 99000-0101"), somebody(2, "Rui Melo", "84 99000-0102"))
	says(t, s.check(), "ok source loja: the list answers: 2 records on its first page", "ok target weni: opens")
	s.language = "pt_BR.UTF-8"
	says(t, s.check(), "ok fonte loja: a lista responde: 2 registros na primeira página", "reconcile.full roda em ", "ok destino weni: pode: criar, mudar")

	s.language, s.shopURL = "en", "http://127.0.0.1:1"
	said := s.check()
	says(t, said, "error source loja: ", "cannot be reached")
	silent(t, said, "answers")

	s = newStage(t)
	says(t, s.check(), "warning source loja: the list answers and is empty")
}

// TestCheckMapsAPage: having read records anyway, check says what a mapping reads and none of them has, and who could not
// be written to.
func TestCheckMapsAPage(t *testing.T) {
	t.Parallel()
	s := newStage(t, somebody(1, "Ana Lima", "84 99000-0101"), somebody(2, "Rui Melo", "84 99000-0102"))
	s.mappings = strings.Replace(stageFile, "=record.cidade", "=record.cidad", 1)
	said := s.check()
	says(t, said, `record.cidad is in none of the records that were looked at, did you mean "cidade"?`, "mappings.yaml:21:")
	silent(t, said, "mobile number")

	s = newStage(t, somebody(1, "Ana Lima", "84 3222-1010"), somebody(2, "Rui Melo", ""))
	says(t, s.check(), "warning source loja: none of these records gives a mobile number")

	s = newStage(t, somebody(1, "Ana Lima", "84 99000-0101"))
	s.mappings = strings.Replace(stageFile, "    contact:", "    when: record.cidade == \"Recife\"\n    contact:", 1)
	says(t, s.check(), "warning source loja: no mapping makes a contact of any of these records")

	s = newStage(t, somebody(1, "Ana Lima", "84 99000-0101"), somebody(2, "Rui Melo", "84 99000-0102"))
	s.mappings = strings.Replace(stageFile, "cidade: =record.cidade", "desde: {value: =date_br(record.cidade), type: datetime}", 1)
	says(t, s.check(), "fields.desde cannot be read in 2 of 2 records")
}
