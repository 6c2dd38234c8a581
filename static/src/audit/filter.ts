// The filter of the audit log, from the address of its page to the form of the API. Pure.

import { AUDIT_OUTCOME_VALUES, type AuditFilter, type AuditOutcome } from '@/api/generated'
import { oneOf, text } from '@/lib/search'

/** The kinds of objects that entries are about. */
export const OBJECT_KINDS = [
  'job',
  'calendar',
  'blackout',
  'execution',
  'node',
  'cluster',
  'user',
  'token',
  'namespace',
  'secret',
] as const

/** Of `/audit-log`. */
export interface AuditSearch {
  from?: string
  to?: string
  caller?: string
  action?: string
  kind?: (typeof OBJECT_KINDS)[number]
  /** Id of the object. */
  object?: string
  outcome?: AuditOutcome
}

/** Reads the filters of `/audit-log`; an unknown value is left out. */
export function auditSearch(search: Record<string, unknown>): AuditSearch {
  return {
    from: text(search.from),
    to: text(search.to),
    caller: text(search.caller),
    action: text(search.action),
    kind: oneOf(OBJECT_KINDS, search.kind),
    object: text(search.object),
    outcome: oneOf(AUDIT_OUTCOME_VALUES, search.outcome),
  }
}

/** The filter in the form of the API. */
export function auditFilterOf(search: AuditSearch): AuditFilter {
  return {
    from: search.from ?? null,
    to: search.to ?? null,
    caller: search.caller ?? null,
    action: search.action ?? null,
    objectKind: search.kind ?? null,
    objectId: search.object ?? null,
    outcome: search.outcome ?? null,
  }
}
