package mapping

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// valueStart matches what stands before a value in a block line: indentation, dashes and the key.
var valueStart = regexp.MustCompile(`^\s*(?:-\s+)*(?:(?:"[^"]*"|'[^']*'|[^\s"'{}\[\]#&*!|>%@][^:#]*):\s+)?`)

// quoted is a line with the values that YAML cannot read unquoted put between quotes; ok is false when
// nothing in it asks for quotes.
func quoted(line string) (string, bool) {
	start := len(valueStart.FindString(line))
	head, value := line[:start], line[start:]
	if value == "" || head+value == "" || strings.HasPrefix(value, "#") {
		return quotedComment(line)
	}
	var fixed string
	switch {
	case value[0] == '{' || value[0] == '[' && flowClosed(value):
		fixed = quotedFlow(value)
	case value[0] == '|' || value[0] == '>', quotes(value[0]) && goesOn(value) == 0:
		return "", false
	default:
		text, rest := splitComment(value)
		fixed = singleQuoted(strings.TrimRight(text, " ")) + spaced(rest)
	}
	return head + fixed, fixed != value
}

// quotedComment quotes what was taken for a comment where a value should stand: "- #VIP".
func quotedComment(line string) (string, bool) {
	head, text, ok := strings.Cut(line, "#")
	trimmed := strings.TrimRight(head, " ")
	if !ok || !strings.HasSuffix(trimmed, "-") && !strings.HasSuffix(trimmed, ":") {
		return "", false
	}
	return head + `"#` + text + `"`, true
}

func spaced(comment string) string {
	if comment == "" {
		return ""
	}
	return " " + comment
}

// singleQuoted is the text as a YAML scalar between single quotes, which need no escapes but their own.
func singleQuoted(text string) string {
	return "'" + strings.ReplaceAll(text, "'", "''") + "'"
}

// splitComment separates a value from the comment behind it; a # inside a quoted text of an expression is
// what the person wrote, although YAML would cut there.
func splitComment(value string) (text, comment string) {
	var quote byte
	for i := 0; i < len(value); i++ {
		c := value[i]
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case (c == '"' || c == '\'') && strings.ContainsRune(value[i+1:], rune(c)):
			quote = c
		case c == '#' && i > 0 && value[i-1] == ' ':
			return value[:i], value[i:]
		}
	}
	return value, ""
}

// quotedFlow quotes the expressions and references inside { } or [ ].
func quotedFlow(value string) string {
	var b strings.Builder
	for i := 0; i < len(value); {
		c := value[i]
		if startsValue(value[:i]) && needsQuotes(value[i:]) {
			end := i + expressionEnd(value[i:])
			b.WriteString(singleQuoted(strings.TrimRight(value[i:end], " ")))
			i = end
			continue
		}
		if quotes(c) {
			end := strings.IndexByte(value[i+1:], c)
			if end < 0 {
				end = len(value) - i - 2
			}
			b.WriteString(value[i : i+end+2])
			i += end + 2
			continue
		}
		b.WriteByte(c)
		i++
	}
	return b.String()
}

// needsQuotes reports whether a value inside { } or [ ] is taken for something else without quotes.
func needsQuotes(text string) bool {
	return strings.ContainsRune("=*&@%`", rune(text[0])) || strings.HasPrefix(text, "${") || quotes(text[0]) && goesOn(text) > 0
}

func quotes(c byte) bool { return c == '"' || c == '\'' }

// goesOn is where an expression that begins with a text goes on behind it, as "VIP" in record.labels does; 0 when it
// does not. To YAML the value ends with the quote.
func goesOn(text string) int {
	end := strings.IndexByte(text[1:], text[0]) + 2
	rest := strings.TrimLeft(text[end:], " ")
	if end < 2 || rest == "" || strings.ContainsRune(",:}]#", rune(rest[0])) {
		return 0
	}
	return len(text) - len(rest)
}

// textThatGoesOn is the column of the first value of a line that begins with a text and goes on behind it; 0 when
// there is none.
func textThatGoesOn(line string) int {
	start := len(valueStart.FindString(line))
	flow := start < len(line) && strings.ContainsRune("{[", rune(line[start]))
	for i := start; i < len(line); i++ {
		switch c := line[i]; {
		case !quotes(c) && !flow:
			return 0
		case c == '=' && startsValue(line[start:i]):
			i += expressionEnd(line[i:]) - 1
		case !quotes(c):
		case (i == start || startsValue(line[start:i])) && goesOn(line[i:]) > 0:
			return utf8.RuneCountInString(line[:i]) + 1
		default:
			end := strings.IndexByte(line[i+1:], c)
			if end < 0 || !flow {
				return 0
			}
			i += end + 1
		}
	}
	return 0
}

// startsValue reports whether a value begins behind this text of a flow collection.
func startsValue(before string) bool {
	before = strings.TrimRight(before, " ")
	return before == "" || strings.ContainsRune(":,[{", rune(before[len(before)-1]))
}

// expressionEnd is the length of the expression at the beginning of a flow collection's text: up to the comma
// or bracket that is not its own.
func expressionEnd(text string) int {
	depth := 0
	var quote byte
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '(' || c == '[' || c == '{':
			depth++
		case c == ')' || c == ']' || c == '}':
			if depth == 0 {
				return i
			}
			depth--
		case c == ',' && depth == 0:
			return i
		}
	}
	return len(text)
}

// flowClosed reports whether a value that starts with [ is a list and not text such as "[VIP] Ouro".
func flowClosed(value string) bool {
	text, _ := splitComment(value)
	return strings.HasSuffix(strings.TrimRight(text, " "), "]")
}

// unfinished reports whether an expression stops inside a bracket or a quoted text: what is left when YAML
// ended it at a comma or at a #.
func unfinished(text string) bool {
	depth := 0
	var quote rune
	for _, r := range text {
		switch {
		case quote != 0:
			if r == quote {
				quote = 0
			}
		case r == '"' || r == '\'' || r == '`':
			quote = r
		case strings.ContainsRune("([{", r):
			depth++
		case strings.ContainsRune(")]}", r):
			depth--
		}
	}
	return depth > 0 || quote != 0
}
