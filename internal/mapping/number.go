package mapping

import (
	"math"
	"strings"
)

// numberBR reads a number as people write it. An amount of money, which CRMs give as {value, currency}, counts as
// its value.
func numberBR(c call) (any, *fault) {
	said := c.args[0]
	if amount, ok := said.(map[string]any); ok && amount["currency"] != nil {
		said = amount["value"]
	}
	if blank(said) {
		return nil, nil
	}
	text, isText := said.(string)
	if !isText {
		if n, ok := numeric(said); ok {
			return n, nil
		}
		return c.wrong(0, "%s is %s, not a number", "%s é %s, não um número", kind(c.args[0]))
	}
	digits, ok := plainFromBR(text)
	if !ok {
		return c.wrong(0, "%s is text that is no number such as 1.234,56", "%s é um texto que não é um número como 1.234,56")
	}
	n, _ := numeric(digits)
	return finite(c, n)
}

// plainFromBR turns 1.234,56 into 1234.56. One point is the decimal one only where no thousands could end:
// 12.5 is twelve and a half, 1.234 is a thousand.
func plainFromBR(text string) (string, bool) {
	s := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(strings.ReplaceAll(text, "\u00a0", " ")), "R$"))
	minus := strings.HasPrefix(s, "-")
	s = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(strings.TrimPrefix(s, "-")), "R$"))
	if minus {
		minus, s = true, strings.TrimSpace(s)
	}
	whole, part, comma := strings.Cut(s, ",")
	groups := strings.Split(whole, ".")
	switch {
	case comma && !allDigits(part):
		return "", false
	case !comma && len(groups) == 2 && (len(groups[1]) != 3 || len(groups[0]) > 3 || groups[0] == "0"):
		whole, part, comma = groups[0], groups[1], true
	case len(groups) > 1:
		for i, g := range groups {
			if i > 0 && len(g) != 3 || i == 0 && (len(g) == 0 || len(g) > 3) {
				return "", false
			}
		}
		whole = strings.Join(groups, "")
	}
	if !allDigits(whole) || comma && !allDigits(part) {
		return "", false
	}
	if comma {
		whole += "." + part
	}
	if minus {
		whole = "-" + whole
	}
	return whole, true
}

// toNumber makes a function of one number.
func toNumber(do func(any) any) func(call) (any, *fault) {
	return func(c call) (any, *fault) {
		if blank(c.args[0]) {
			return nil, nil
		}
		n, ok := numeric(c.args[0])
		if !ok {
			return c.wrong(0, "%s is %s, not a plain number: write number_br(%[1]s) for \"1.234,56\"", "%s é %s, não um número simples: escreva number_br(%[1]s) para \"1.234,56\"", kind(c.args[0]))
		}
		return finite(c, do(n))
	}
}

func absolute(n any) any {
	if i, ok := n.(int); ok && i != math.MinInt {
		return max(i, -i)
	}
	return math.Abs(float(n))
}

func rounded(do func(float64) float64) func(any) any {
	return func(n any) any {
		if i, ok := n.(int); ok {
			return i
		}
		return whole(do(float(n)))
	}
}

func toInt(c call) (any, *fault) {
	return toNumber(rounded(math.Trunc))(c)
}

// extreme is max (1) or min (-1) of its arguments, or of the rows of one list.
func extreme(sign int) func(call) (any, *fault) {
	return func(c call) (any, *fault) {
		items := c.args
		if rows, ok := c.args[0].([]any); ok && len(c.args) == 1 {
			items = rows
		}
		var best any
		for _, v := range items {
			if v = plain(v); silent(v) {
				continue
			}
			if best == nil {
				best = v
				continue
			}
			d, ok := ordered(v, best, c.zone)
			if !ok {
				return c.failed("%s and %s cannot be compared", "%s e %s não se comparam", kind(v), kind(best))
			}
			if d*sign > 0 {
				best = v
			}
		}
		return best, nil
	}
}
