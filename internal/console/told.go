package console

import (
	"regexp"
	"strings"
	"sync"
)

// told are sentences that are kept in the state as they were written, in English, so that whoever reads them later
// may speak another language than the daemon did. %s stands for what changes.
var told = [][2]string{
	// questions for people
	{"records of different names give one number; correct the source, or set shared_phone", "registros de nomes diferentes dão um mesmo número; corrija a fonte ou defina shared_phone"},
	{"records of different names give one number; it is left to one of them (shared_phone: %s). Correct the source", "registros de nomes diferentes dão um mesmo número; ele fica com um deles (shared_phone: %s). Corrija a fonte"},
	{"the number stands in a contact that belongs to another person; nothing is taken from it", "o número está em um contato que pertence a outra pessoa; nada é tirado dele"},
	{"a contact with this number exists under another name", "existe um contato com este número sob outro nome"},
	{"one person has several contacts here; the first is used. Merge them by hand or delete the other", "uma pessoa tem vários contatos aqui; o primeiro é usado. Una-os à mão ou apague o outro"},
	{"one person has two contacts here; the first is used, the second got no more labels. Merge them by hand or delete one", "uma pessoa tem dois contatos aqui; o primeiro é usado, o segundo não recebe mais etiquetas. Una-os à mão ou apague um"},
	{"the person's number stands in another contact too; it is not taken from there. Merge them by hand or delete the other", "o número da pessoa está também em outro contato; não é tirado de lá. Una-os à mão ou apague o outro"},
	{"a person asked to be erased and this target cannot delete; erase the contact by hand", "uma pessoa pediu para ser apagada e este destino não sabe apagar; apague o contato à mão"},
	{"a person asked to be erased, and the mapping file no longer names this target; erase the contact by hand", "uma pessoa pediu para ser apagada, e o arquivo de mapeamento não cita mais este destino; apague o contato à mão"},

	// why somebody waits
	{"the number is also given by %s under another name", "o número é dado também por %s sob outro nome"},
	{"the person behind this number asked to be erased; no contact is made for it again", "a pessoa deste número pediu para ser apagada; nenhum contato é feito para ele de novo"},
	{"no number identifies the person", "nenhum número identifica a pessoa"},
	{"the number stands in the contact of another person (%s)", "o número está no contato de outra pessoa (%s)"},
	{"a contact with this number exists and the mapping does not adopt (adopt: never)", "existe um contato com este número e o mapeamento não adota (adopt: never)"},
	{"several contacts have this number (on_duplicate: report)", "vários contatos têm este número (on_duplicate: report)"},
	{"the contact was taken back by an undo, and is made again when the source says something else", "o contato foi desfeito à mão e é feito de novo quando a fonte disser outra coisa"},
	{"the contact was deleted at the target by hand and is not made again (on_gone: tombstone)", "o contato foi apagado à mão no destino e não é feito de novo (on_gone: tombstone)"},
	{"the contact is %s at the target and gets no labels", "o contato está %s no destino e não recebe etiquetas"},
	{"new labels or fields cannot be used yet", "etiquetas ou campos novos ainda não podem ser usados"},
	{"the names of its fields and options are not read yet", "os nomes de seus campos e opções ainda não foram lidos"},
	{"the record cannot be read: %s", "o registro não pode ser lido: %s"},

	// why a run waits or ended
	{"it was asked for as a plan", "foi pedida como plano"},
	{"it is the first run of this source", "é a primeira execução desta fonte"},
	{"the mapping file changed", "o arquivo de mapeamento mudou"},
	{"the mapping file changed; %s", "o arquivo de mapeamento mudou; %s"},
	{"people keep the labels %s, which the file no longer names; list them under `retired` to have them taken away", "pessoas mantêm as etiquetas %s, que o arquivo não cita mais; coloque-as em `retired` para que sejam retiradas"},
	{"in the last hour %s", "na última hora %s"},
	{"%s people would be created, more than %s (%s %% of %s)", "%s pessoas seriam criadas, mais que %s (%s %% de %s)"},
	{"%s people would be changed, more than %s (%s %% of %s)", "%s pessoas seriam mudadas, mais que %s (%s %% de %s)"},
	{"%s people would be emptied of a value, more than %s (%s %% of %s)", "%s pessoas teriam um valor esvaziado, mais que %s (%s %% de %s)"},
	{"%s people would be taken a label from, more than %s (%s %% of %s)", "de %s pessoas seria tirada uma etiqueta, mais que %s (%s %% de %s)"},
	{"%s people would be deleted or blocked, more than %s (%s %% of %s)", "%s pessoas seriam apagadas ou bloqueadas, mais que %s (%s %% de %s)"},
	{"%s people were released, the rest waits", "%s pessoas foram liberadas, o resto aguarda"},
	{"%s people changed since the plan was made", "%s pessoas mudaram desde que o plano foi feito"},
	{"they changed since the plan was made", "mudaram desde que o plano foi feito"},
	{"it changed at the target or the source since the plan was made", "mudou no destino ou na fonte desde que o plano foi feito"},
	{"it could not be compared when the plan was made", "não pôde ser comparada quando o plano foi feito"},
	{"it takes back %s", "desfaz %s"},
	{"there is nothing left to take back of %s", "não resta nada a desfazer de %s"},
	{"replaced by %s", "substituída por %s"},
	{"discarded", "descartada"},
	{"too many records are missing from the source: %s", "registros demais faltam na fonte: %s"},
	{"the state file is more than 80 %% full; bulk work stops so that webhooks can still be accepted", "o arquivo de estado está mais de 80 %% cheio; o trabalho em massa para, para que webhooks ainda possam ser aceitos"},
	{"dry run", "ensaio"},

	// why a saved plan is not applied
	{"the plan was made %s; plans are good for a day", "o plano foi feito em %s; planos valem por um dia"},
	{"the mapping file has changed since the plan was made", "o arquivo de mapeamento mudou desde que o plano foi feito"},
	{"run %s is %s; only a held run can be applied", "a execução %s está em %s; só uma execução retida pode ser aplicada"},
	{"the plan was made for %s at %s, which is %s now", "o plano foi feito para %s em %s, que agora é %s"},
	{"%s of the %s people have changed since the plan was made", "%s das %s pessoas mudaram desde que o plano foi feito"},

	// pauses
	{"paused by hand", "pausado à mão"},
	{"the target is paused: %s", "o destino está pausado: %s"},

	// what targets cannot do
	{"archived contacts cannot be told from active ones where the API has no status; adding them to a group is refused", "contatos arquivados não se distinguem dos ativos onde a API não tem status; incluí-los em um grupo é recusado"},
	{"adding to a group or writing a date that a campaign uses can send messages; the API cannot suppress that", "incluir em um grupo ou escrever uma data que uma campanha usa pode enviar mensagens; a API não sabe impedir isso"},
	{"a contact cannot be un-stopped, and unblocking does not bring back its groups", "um contato parado não volta, e desbloquear não devolve seus grupos"},
	{"contacts are not created: %s is disabled", "contatos não são criados: %s está desativado"},
	{"contacts are not updated: %s is disabled", "contatos não são mudados: %s está desativado"},
	{"contacts are not updated: OmniFlow's SDK has no such call; where the installation has one, set update: true", "contatos não são mudados: o SDK do OmniFlow não tem essa chamada; onde a instalação tiver, defina update: true"},
	{"names and numbers are not updated: %s is disabled", "nomes e números não são mudados: %s está desativado"},
	{"tags are read-only: %s is disabled", "etiquetas são só de leitura: %s está desativado"},
	{"missing tags are not created: %s is disabled", "etiquetas que faltam não são criadas: %s está desativado"},
	{"there are no fields, languages, blocks and deletes; names are written to customName, because name cannot be changed", "não há campos, idiomas, bloqueios nem exclusões; nomes são escritos em customName, porque name não pode ser mudado"},
	{"changes since a moment cannot be asked for: a comparison reads all contacts, %s a call", "não se pode pedir o que mudou desde um momento: uma comparação lê todos os contatos, %s por chamada"},
	{"a second contact of one number is not known to be refused; a create without an answer is looked up before it is sent again", "não se sabe se um segundo contato do mesmo número é recusado; uma criação sem resposta é procurada antes de ser enviada de novo"},
	{"there are no labels, fields, languages, lists, blocks and deletes; contacts are found by number", "não há etiquetas, campos, idiomas, listas, bloqueios nem exclusões; contatos são achados pelo número"},
	{"opt_out.label has no effect: labels cannot be written here", "opt_out.label não tem efeito: etiquetas não podem ser escritas aqui"},
	{"opt_out.field and opt_out.block have no effect: there are no fields and no blocking here", "opt_out.field e opt_out.block não têm efeito: aqui não há campos nem bloqueio"},
	{"is longer than the 64 characters a group's name can have", "passa dos 64 caracteres que o nome de um grupo pode ter"},
	{"must begin with a letter or a digit", "deve começar com letra ou dígito"},
	{"contains a quotation mark or a backslash", "contém aspas ou barra invertida"},

	// why a call failed
	{"it refuses the credentials (HTTP %s)", "recusa as credenciais (HTTP %s)"},
	{"it timed out (HTTP %s)", "demorou demais (HTTP %s)"},
	{"it failed (HTTP %s)", "falhou (HTTP %s)"},
	{"it refuses the request (HTTP %s)", "recusa o pedido (HTTP %s)"},
	{"it does not know the token", "não conhece o token"},
	{"no answer in time", "não respondeu a tempo"},
	{"its host name cannot be resolved", "o nome do servidor não foi encontrado"},
	{"it cannot be reached (%s)", "não pode ser alcançado (%s)"},
	{"its answer is larger than syncer reads", "sua resposta é maior do que o syncer lê"},
	{"the connection broke", "a conexão caiu"},
	{"there is nothing at list.url (HTTP 404); check the address", "não há nada em list.url (HTTP 404); confira o endereço"},
	{"there is no such API at this address (HTTP %s); check base_url", "não há essa API neste endereço (HTTP %s); confira base_url"},
	{"its answer is no complete JSON; something between syncer and the list may have replaced it", "sua resposta não é um JSON completo; algo entre o syncer e a lista pode tê-la trocado"},

	// what commands are refused with
	{"no syncer answers at %s: %s", "nenhum syncer responde em %s: %s"},
	{"something else answers there", "outra coisa responde lá"},
	{"the state file %s is in use by another syncer; stop that one first, or talk to it through its admin address", "o arquivo de estado %s está em uso por outro syncer; pare-o antes, ou fale com ele pelo endereço de administração"},
	{"there is no run %s", "não há execução %s"},
	{"run %s changed nobody, or too long ago to be undone", "a execução %s não mudou ninguém, ou há tempo demais para ser desfeita"},
	{"the credentials of %s open the same place as before (%s); there is nothing to rebind", "as credenciais de %s abrem o mesmo lugar que antes (%s); não há o que vincular de novo"},
	{"it is not linked to a contact of %s", "não está ligado a um contato de %s"},
	{"this contact is linked to person/%s; unlink that one first", "este contato está ligado a person/%s; desligue aquele antes"},
	{"nothing is known of %s", "nada se sabe de %s"},
	{"this is no export that this version of syncer can read", "esta não é uma exportação que esta versão do syncer possa ler"},
	{"the mapping file cannot be read: %s", "o arquivo de mapeamento não pode ser lido: %s"},

	// settings
	{"port %s is that of SYNCER_LISTEN; the two doors need a port each", "a porta %s é a de SYNCER_LISTEN; cada porta precisa da sua"},
	{"it has spaces or characters that no HTTP header can carry", "tem espaços ou caracteres que nenhum cabeçalho HTTP pode levar"},
	{"%s can be reached from other machines, so SYNCER_ADMIN_TOKEN (or SYNCER_ADMIN_TOKEN_FILE) must be set; or listen on 127.0.0.1", "%s pode ser alcançado de outras máquinas, por isso SYNCER_ADMIN_TOKEN (ou SYNCER_ADMIN_TOKEN_FILE) deve estar definido; ou escute em 127.0.0.1"},
	{"it is shorter than %s characters, too easy to guess where other machines can reach it; make one with `openssl rand -hex 24`", "tem menos de %s caracteres, fácil demais de adivinhar onde outras máquinas o alcançam; faça um com `openssl rand -hex 24`"},
	{"%s is not an address such as https://syncer.example.com", "%s não é um endereço como https://syncer.example.com"},
	{"%s is none of %s", "%s não é nenhum de %s"},
	{"%s is not an address to listen on, such as :8080 or 127.0.0.1:8081", "%s não é um endereço em que escutar, como :8080 ou 127.0.0.1:8081"},
	{"%s is not a time to wait, such as 25s or 1m30s", "%s não é um tempo de espera, como 25s ou 1m30s"},
	{"SYNCER_ADMIN_TOKEN is set too; keep one of them", "SYNCER_ADMIN_TOKEN também está definido; fique com um deles"},
	{"%s is empty", "%s está vazio"},
	{"there is no such variable; did you mean %s?", "não há essa variável; você quis dizer %s?"},
	{"there is no such variable; `syncer env` lists all of them", "não há essa variável; `syncer env` lista todas"},
	{"%s names no store that this syncer has; write bolt: and a file, such as bolt:data/syncer.db", "%s não é um armazenamento que este syncer tenha; escreva bolt: e um arquivo, como bolt:data/syncer.db"},
	{"%s names no file; write bolt:data/syncer.db", "%s não dá um arquivo; escreva bolt:data/syncer.db"},
	{"%s is not a size such as 500MB, 2GB or 2GiB", "%s não é um tamanho como 500MB, 2GB ou 2GiB"},

	// the journal
	{"the contact was deleted at the target", "o contato foi apagado no destino"},
	{"by hand, to the contact %s", "à mão, ao contato %s"},
	{"by hand", "à mão"},
	{"the target is another place from now on", "o destino é outro lugar a partir de agora"},
	{"person %s is the same human", "a pessoa %s é o mesmo ser humano"},
	{"its number was completed by the default area code, and another record spells it out: the contact is given up", "seu número foi completado com o DDD padrão, e outro registro o escreve por inteiro: o contato é abandonado"},
	{"adopted the contact %s", "adotou o contato %s"},
	{"a new record of the same number took the contact over", "um novo registro do mesmo número assumiu o contato"},
	{"the source itself shows an older state than was stored; what it shows counts", "a própria fonte mostra um estado mais antigo que o guardado; vale o que ela mostra"},
}

type tale struct {
	shape *regexp.Regexp
	pt    string
}

// tales are told as what recognises them, those that say more themselves before those that leave more open.
var tales = sync.OnceValue(func() (out []tale) {
	for _, t := range told {
		en := strings.ReplaceAll(regexp.QuoteMeta(t[0]), "%%", "%")
		out = append(out, tale{regexp.MustCompile(`(?s)^` + strings.ReplaceAll(en, "%s", "(.+?)") + `$`), t[1]})
	}
	return out
})

// Told says a sentence of the state in the reader's language. What is not known, such as the words of another system,
// is said as it stands.
func (w Words) Told(text string) string {
	if !w.pt || text == "" {
		return text
	}
	for _, t := range tales() {
		m := t.shape.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		pieces := strings.Split(strings.ReplaceAll(t.pt, "%%", "%"), "%s")
		var said strings.Builder
		said.WriteString(pieces[0])
		for i, part := range m[1:] {
			said.WriteString(w.Told(part) + pieces[i+1])
		}
		return said.String()
	}
	if what, rest, ok := strings.Cut(text, ": "); ok { // what was being tried stands in front
		return what + ": " + w.Told(rest)
	}
	return text
}
