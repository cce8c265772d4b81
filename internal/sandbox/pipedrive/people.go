package pipedrive

import (
	"fmt"
	"strings"
	"time"
)

var (
	givenNames = strings.Fields("Marina Otávio Benedita Caio Dalva Elias Filomena Gael Helena Ícaro Jandira Kauã Lívia Moacir Noêmia Odair Palmira Quirino Rosana Silvano Tarsila Ulisses Valdete Wagner Yasmin Zilda")
	surnames   = strings.Fields("Quaresma Brandão Lopes Teixeira Figueira Amaral Peixoto Salgado Batista Cordeiro Moreira Vilela Nogueira Pimentel Rangel Sobral Tavares Uchoa Valença Xavier")
	cities     = strings.Fields("Natal Mossoró Parnamirim Caicó Assu Extremoz Macaíba")
	areas      = []int{84, 83, 85, 81, 11, 21, 31}
)

// Invent makes up a person. The same n gives the same person, with numbers that nobody has: their last seven
// digits count up.
func Invent(n int) Person {
	name := givenNames[n%len(givenNames)] + " " + surnames[n/len(givenNames)%len(surnames)] + " " + surnames[(n*7+3)%len(surnames)]
	p := Person{Name: name, OrgID: 300 + n%40, Custom: map[string]any{City: cities[n%len(cities)], Segment: 41 + n%2}}
	mobile := fmt.Sprintf("99%07d", n%10_000_000)
	area := areas[n%len(areas)]
	switch n % 10 {
	case 7: // only a landline
		p.Phones = []Row{{"work", true, fmt.Sprintf("(%d) 3200-%04d", area, n%10000)}}
	case 8: // the blank row of somebody who pressed the button
		p.Phones = []Row{{"work", true, ""}}
	case 9:
		p.Phones = []Row{{"mobile", true, fmt.Sprintf("%d%s", area, mobile)}, {"work", false, fmt.Sprintf("+55 %d 3200 %04d", area, n%10000)}}
	case 5, 6:
		p.Phones = []Row{{"mobile", true, fmt.Sprintf("+55%d%s", area, mobile)}}
	default:
		p.Phones = []Row{{"mobile", true, fmt.Sprintf("(%d) %s-%s", area, mobile[:5], mobile[5:])}}
	}
	if n%3 != 0 {
		p.Emails = []Row{{"work", true, fmt.Sprintf("pessoa%d@exemplo.com.br", n)}}
	}
	if n%4 == 0 {
		p.LabelIDs = []int{VIP}
	}
	if n%6 == 0 {
		p.LabelIDs = append(p.LabelIDs, Cold)
	}
	if n%5 == 0 {
		p.Custom[Likes] = []int{7, 9}
		p.Custom[LastBuy] = time.Date(2026, 1, 1+n%300, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
		p.Custom[Limit] = map[string]any{"value": 100 * float64(n%50), "currency": "BRL"}
	}
	return p
}

// Seed adds n invented people who have been there for long: no webhook speaks of them. It returns their ids.
func (s *Server) Seed(n int) []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := make([]int, n)
	for i := range n {
		p, err := s.add(Invent(s.lastID + 1))
		if err != nil {
			panic(err) // invented people have names
		}
		ids[i] = p.ID
	}
	return ids
}
