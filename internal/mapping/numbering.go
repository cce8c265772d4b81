package mapping

import (
	"errors"
	"strings"

	"github.com/nyaruka/phonenumbers/v2"

	"syncer/internal/contact"
)

// Numbering answers for the countries that the domain does not know itself.
func Numbering() contact.Numbering { return numbering{} }

type numbering struct{}

// National reads a number as it is dialled inside country.
func (numbering) National(text, country string) (string, bool) {
	n, err := phonenumbers.Parse(text, country)
	if err != nil || !phonenumbers.IsPossibleNumber(n) {
		return "", false
	}
	return strings.TrimPrefix(phonenumbers.Format(n, phonenumbers.E164), "+"), true
}

// Line says what line an international number is. A number that the plan of its country does not have, or
// that belongs to a company's service, is refused.
func (numbering) Line(digits string) (contact.Line, bool) {
	n, err := phonenumbers.Parse("+"+digits, "ZZ")
	if err != nil || !phonenumbers.IsValidNumber(n) {
		return "", false
	}
	switch phonenumbers.GetNumberType(n) {
	case phonenumbers.MOBILE, phonenumbers.PAGER, phonenumbers.PERSONAL_NUMBER:
		return contact.Mobile, true
	case phonenumbers.FIXED_LINE:
		return contact.Landline, true
	case phonenumbers.FIXED_LINE_OR_MOBILE, phonenumbers.VOIP, phonenumbers.UNKNOWN:
		return contact.UnknownLine, true
	}
	return "", false
}

// phoneReasons are the domain's reasons in the words of the reader.
var phoneReasons = map[contact.PhoneError]string{
	contact.ErrPhoneLetters:  "contém letras",
	contact.ErrPhoneShort:    "tem dígitos de menos",
	contact.ErrPhoneLong:     "tem dígitos demais",
	contact.ErrPhoneNoArea:   "não tem DDD",
	contact.ErrPhoneArea:     "tem um DDD que não existe",
	contact.ErrPhoneService:  "é um número de serviço, não de uma pessoa",
	contact.ErrPhoneDamaged:  "uma planilha o transformou em número decimal",
	contact.ErrPhoneSubject:  "o número depois do DDD não existe",
	contact.ErrPhoneUnknown:  "não é um número do seu país",
	contact.ErrPhoneEmpty:    "está em branco",
	contact.ErrPhoneNotPhone: "é um identificador do WhatsApp, não um número",
}

// phoneReason says why a number was refused, without the number.
func phoneReason(err error) message {
	var reason contact.PhoneError
	if !errors.As(err, &reason) {
		reason = contact.ErrPhoneUnknown
	}
	return words(string(reason), phoneReasons[reason])
}

func phoneOf(c call) (any, *fault) {
	text, f := textArg(c, 0)
	if f != nil {
		return nil, f
	}
	rules := c.rules
	if len(c.args) > 1 {
		if rules.Area, f = textArg(c, 1); f != nil {
			return nil, f
		}
	}
	if blank(text) {
		return nil, nil
	}
	var reason error
	for _, one := range splitPhones(text) {
		p, err := contact.ParsePhone(one, rules)
		if err == nil {
			return "+" + p.Digits, nil
		}
		if reason == nil {
			reason = err
		}
	}
	return c.wrong(0, "%s is no telephone number: %s", "%s não é um número de telefone: %s", phoneReason(reason))
}
