// The query string of the URL: plain `name=value`, repeated for lists, readable for users.

export type Search = Record<string, string | string[]>

/** Reads `?status=ACTIVE&tag=a&tag=b`. */
export function parseSearch(text: string): Search {
  const params = new URLSearchParams(text)
  const search: Search = {}
  for (const name of new Set(params.keys())) {
    const values = params.getAll(name)
    search[name] = values.length > 1 ? values : (values[0] ?? '')
  }
  return search
}

/** Writes it without empty values. */
export function stringifySearch(search: Record<string, unknown>): string {
  const params = new URLSearchParams()
  for (const [name, value] of Object.entries(search)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== '') params.append(name, String(one))
    }
  }
  const text = params.toString()
  return text && `?${text}`
}

/** A parameter as one text; undefined when it is empty. */
export function text(value: unknown): string | undefined {
  const first = Array.isArray(value) ? value[0] : value
  return typeof first === 'string' && first !== '' ? first : undefined
}

/** A parameter as a list; undefined when it is empty. */
export function list(value: unknown): string[] | undefined {
  const all = (Array.isArray(value) ? value : [value]).filter(
    (one): one is string => typeof one === 'string' && one !== '',
  )
  return all.length > 0 ? all : undefined
}

/** A parameter as a list of known words; other words are left out. */
export function listOf<Word extends string>(words: readonly Word[], value: unknown): Word[] | undefined {
  const known = list(value)?.filter((one): one is Word => words.includes(one as Word))
  return known && known.length > 0 ? known : undefined
}

/** A parameter as one of some words. */
export function oneOf<Word extends string>(words: readonly Word[], value: unknown): Word | undefined {
  return listOf(words, value)?.[0]
}
