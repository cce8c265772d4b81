package mapping

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
	exprfile "github.com/expr-lang/expr/file"
)

// syntaxWords are expr's own messages about syntax, and what they mean.
var syntaxWords = []struct {
	is  *regexp.Regexp
	say message
}{
	{regexp.MustCompile(`token EOF|end of expression`), words("the expression ends too early: something is missing behind it, or a bracket is not closed",
		"a expressão termina cedo demais: falta algo depois dela, ou um parêntese não foi fechado")},
	{regexp.MustCompile(`literal not terminated`), words("a text is not closed: its second quote is missing", "um texto não foi fechado: falta a segunda aspa")},
	{regexp.MustCompile(`invalid char escape|unescape`), words(`\ begins an escape that does not exist: write \\ for a backslash`,
		`\ inicia um escape que não existe: escreva \\ para uma barra invertida`)},
	{regexp.MustCompile(`unrecognized character: U\+201[89CD]`), words("this is a typographic quote: text goes between straight ones, \"…\"",
		"esta é uma aspa tipográfica: texto fica entre aspas retas, \"…\"")},
	{regexp.MustCompile(`unrecognized character`), words("this character means nothing in an expression", "este caractere não significa nada numa expressão")},
	{regexp.MustCompile(`cannot be mixed`), words("?? and another operator need brackets: (a ?? b) + c", "?? e outro operador precisam de parênteses: (a ?? b) + c")},
	{regexp.MustCompile(`wrap predicate`), words("put { } around a condition that has a ;", "coloque { } em volta de uma condição que tem ;")},
	{regexp.MustCompile(`unclosed comment`), words("a comment is not closed", "um comentário não foi fechado")},
	{regexp.MustCompile(`maximum allowed nodes`), words("the expression is too long", "a expressão é longa demais")},
	{regexp.MustCompile(`expected at least`), words("a value is missing in the brackets", "falta um valor entre os parênteses")},
	{regexp.MustCompile(`number syntax|literal: |too large`), words("this is not a number: write 1234.56, without other signs", "isto não é um número: escreva 1234.56, sem outros sinais")},
	{regexp.MustCompile(`token Operator\("="\)`), words("= compares nothing here: write == for \"is equal to\"", "= não compara nada aqui: escreva == para \"é igual a\"")},
	{regexp.MustCompile(`token Operator\("[&|]"\)`), words("write and or or between conditions", "escreva and ou or entre condições")},
	{regexp.MustCompile(`token Operator\("[.#]"\)`), words("# and a leading . stand for a row and belong inside map, filter, find and the like",
		"# e um . no início representam uma linha e só cabem dentro de map, filter, find e semelhantes")},
	{regexp.MustCompile(`token (Identifier|Number|String)`), words("an operator or a comma is missing before this; a key with spaces is written record[\"…\"]",
		"falta um operador ou uma vírgula antes disto; uma chave com espaços se escreve record[\"…\"]")},
	{regexp.MustCompile(`token Bracket`), words("this bracket does not fit here", "este parêntese não cabe aqui")},
	{regexp.MustCompile(`expected name`), words("the name of a field is missing behind the dot; a key with other characters is written record[\"…\"]",
		"falta o nome de um campo depois do ponto; uma chave com outros caracteres se escreve record[\"…\"]")},
	{regexp.MustCompile(`map key`), words("a key in { } must be a word, a text or a number", "uma chave em { } precisa ser uma palavra, um texto ou um número")},
}

// syntax reports broken syntax in words. expr's own never reach a person.
func (c *compiler) syntax(err error) {
	m := words("this expression cannot be read from here on", "daqui em diante não dá para entender esta expressão")
	from, to := 0, utf8.RuneCountInString(c.text)
	text := err.Error()
	if broken := (*exprfile.Error)(nil); errors.As(err, &broken) {
		from, to, text = broken.From, max(broken.To, broken.From+1), broken.Message
	}
	for _, s := range syntaxWords {
		if s.is.MatchString(text) {
			m = s.say
			break
		}
	}
	if at := []rune(c.text); from > 0 && from < len(at) && string(at[from-1:from+1]) == "${" {
		m = words(`${…} belongs inside a text: "${NAME}"`, `${…} fica dentro de um texto: "${NOME}"`)
		from--
	}
	if start, end, key, ok := spacedKey(c.text, from); ok {
		c.faultWith(start, end, fmt.Sprintf("[%q]", key), m)
		return
	}
	if strings.Contains(text, `Operator("=")`) {
		c.faultWith(from, to, "==", m)
		return
	}
	c.fault(from, to, m)
}

var spacedName = regexp.MustCompile(`\.([\pL_][\pL\d_]*(?: [\pL\d_]+)+)`)

// spacedKey finds "record.Última compra", a key with a blank in it, where the syntax breaks.
func spacedKey(text string, at int) (from, to int, key string, ok bool) {
	for _, m := range spacedName.FindAllStringSubmatchIndex(text, -1) {
		from, to = utf8.RuneCountInString(text[:m[0]]), utf8.RuneCountInString(text[:m[1]])
		key = text[m[2]:m[3]]
		if from < at && at < to && !wordOperator.MatchString(key) {
			return from, to, key, true
		}
	}
	return 0, 0, "", false
}

var wordOperator = regexp.MustCompile(` (?:and|or|not|in|contains|matches|startsWith|endsWith)\b`)

// dashed finds "record.e-mail", which is a subtraction to every parser.
func dashed(n *ast.BinaryNode) (key string, ok bool) {
	left, isMember := n.Left.(*ast.MemberNode)
	right, isName := n.Right.(*ast.IdentifierNode)
	if n.Operator != "-" || !isMember || !isName {
		return "", false
	}
	last, isFixed := left.Property.(*ast.StringNode)
	if !isFixed || last.Location().To+1 != right.Location().From {
		return "", false
	}
	return fmt.Sprintf("%s-%s", last.Value, right.Value), true
}
