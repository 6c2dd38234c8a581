// The changes of a new version of a job. Pure.

export interface Change {
  field: string
  before: string
  after: string
}

/** Fields that every change modifies. */
const NOISE = new Set(['version', 'updated_at', 'changed_at'])

/** The fields with different values, by name, also inside objects. */
export function changesOf(before: unknown, after: unknown): Change[] {
  const old = flat(before)
  const now = flat(after)
  const fields = [...new Set([...old.keys(), ...now.keys()])].sort()
  return fields
    .filter((field) => !NOISE.has(field) && old.get(field) !== now.get(field))
    .map((field) => ({ field, before: old.get(field) ?? '–', after: now.get(field) ?? '–' }))
}

function flat(value: unknown, path = '', into = new Map<string, string>()): Map<string, string> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    for (const [name, inner] of Object.entries(value)) flat(inner, path ? `${path}.${name}` : name, into)
  } else if (path && value !== null && value !== undefined) {
    into.set(path, typeof value === 'string' ? value : JSON.stringify(value))
  }
  return into
}
