// JSON as text. A text of the user is never parsed into numbers and written again: a double rounds integers above 2^53,
// such as the ids of many systems. Pure.

/** JSON that is sent unchanged. */
export class JsonText {
  constructor(readonly text: string) {}
}

/** The text of JSON.stringify, with each JsonText unchanged. */
export function encode(value: unknown): string {
  if (value instanceof JsonText) return value.text
  if (Array.isArray(value)) return `[${value.map(encode).join(',')}]`
  if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value).filter(([, inner]) => inner !== undefined)
    return `{${fields.map(([name, inner]) => `${JSON.stringify(name)}:${encode(inner)}`).join(',')}}`
  }
  return JSON.stringify(value) ?? 'null'
}

/** Why a text is no JSON; undefined for JSON and for an empty text. */
export function jsonFault(text: string): string | undefined {
  if (!text.trim()) return undefined
  try {
    JSON.parse(text)
    return undefined
  } catch (error) {
    return `This is not JSON: ${error instanceof Error ? error.message : error}`
  }
}

/**
 * Why a text is no JSON object with texts as values, as headers are; undefined for such an object and for an empty
 * text.
 */
export function headersFault(text: string): string | undefined {
  const fault = jsonFault(text)
  if (fault || !text.trim()) return fault
  const headers: unknown = JSON.parse(text)
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers)) {
    return 'This is not an object of names and values'
  }
  const odd = Object.entries(headers).find(([, value]) => typeof value !== 'string')
  return odd && `The value of ${odd[0]} is not a text: write it in quotes`
}

/** JSON without the white space between its tokens; another text is returned unchanged. */
export function compact(text: string): string {
  return jsonFault(text) ? text : tokensOf(text).join('')
}

function tokensOf(text: string): string[] {
  return text.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g) ?? []
}

/** JSON, indented; another text is returned unchanged. */
export function indented(text: string): string {
  if (!text.trim() || jsonFault(text)) return text
  const tokens = tokensOf(text)
  let depth = 0
  let out = ''
  tokens.forEach((token, index) => {
    const opens = token === '{' || token === '['
    const closes = token === '}' || token === ']'
    const before = tokens[index - 1]
    const empty = closes && (before === '{' || before === '[')
    if (closes) depth -= 1
    if (closes && !empty) out += `\n${'  '.repeat(depth)}`
    out += token === ':' ? ': ' : token
    if (opens) depth += 1
    const next = tokens[index + 1]
    if (token === ',' || (opens && next !== '}' && next !== ']')) out += `\n${'  '.repeat(depth)}`
  })
  return out
}
