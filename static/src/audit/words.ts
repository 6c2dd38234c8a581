// An entry of the audit log in words. Pure.

import type { AuditRowFragment } from '@/api/generated'
import { type Change, changesOf } from '@/format/changes'
import { indented } from '@/lib/json'

/** "pauseJob" and "pause_job" as "Pause job". */
export function actionWords(action: string): string {
  const words = action
    .replaceAll(/(?<=[a-z\d])(?=[A-Z])/g, ' ')
    .replaceAll(/[_.]/g, ' ')
    .toLowerCase()
    .replaceAll(/\bapi\b/g, 'API')
  return words.charAt(0).toUpperCase() + words.slice(1)
}

/** The details: changed fields, and everything else as indented JSON. */
export interface Details {
  changes: Change[]
  /** Null for nothing else. */
  rest: string | null
}

/** Reads the details, which have the values before and after a change. */
export function detailsOf({ details }: Pick<AuditRowFragment, 'details'>): Details {
  if (!details) return { changes: [], rest: null }
  const parsed = objectOf(details)
  if (!parsed) return { changes: [], rest: indented(details) }
  const { before, after, ...others } = parsed
  const pairs = Object.entries(others).filter(([, value]) => isPair(value))
  const rest = Object.entries(others).filter(([, value]) => !isPair(value))
  const changes = [
    ...changesOf(before, after),
    ...pairs.map(([field, value]) => changeOf(field, value as { before: unknown; after: unknown })),
  ]
  // Unless something was taken out of it, the text is shown with its own numbers.
  if (changes.length === 0) return { changes, rest: indented(details) }
  return { changes, rest: rest.length > 0 ? JSON.stringify(Object.fromEntries(rest), null, 2) : null }
}

/** A value before and after, as of a version. */
function isPair(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).sort().join() === 'after,before'
}

function changeOf(field: string, { before, after }: { before: unknown; after: unknown }): Change {
  const shown = (value: unknown) => (value === null ? '–' : typeof value === 'string' ? value : JSON.stringify(value))
  return { field, before: shown(before), after: shown(after) }
}

function objectOf(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : null
  } catch {
    return null
  }
}
