// The audit log as JSON lines, read page by page.

import { send } from '@/api/client'
import { type AuditFilter, AuditLogDocument, type AuditRowFragment } from '@/api/generated'
import { encode, JsonText, jsonFault } from '@/lib/json'

/** Entries of one request: a limit of the API. */
const PAGE_SIZE = 200
/** Entries that a browser holds without trouble; `horolog audit-log export` has no bound. */
export const EXPORT_MAX = 100_000

export interface Export {
  /** A line for each entry, newest first. */
  lines: string[]
  /** Entries were left out. */
  more: boolean
}

interface Reading {
  signal: AbortSignal
  /** Called with the number of entries so far. */
  onProgress: (count: number) => void
}

/** Reads all entries of a filter; throws the signal's AbortError. */
export async function exportAuditLog(filter: AuditFilter, { signal, onProgress }: Reading): Promise<Export> {
  const lines: string[] = []
  let after: string | null = null
  for (;;) {
    const page: {
      auditLog: { nodes: AuditRowFragment[]; pageInfo: { hasNextPage: boolean; endCursor: string | null } }
    } = await send(AuditLogDocument, { filter, first: PAGE_SIZE, after }, { signal })
    const { nodes, pageInfo } = page.auditLog
    for (const entry of nodes) lines.push(lineOf(entry))
    onProgress(lines.length)
    // A page of a filter may be short, even empty, and have a next one.
    if (!pageInfo.hasNextPage) return { lines, more: false }
    if (lines.length >= EXPORT_MAX) return { lines, more: true }
    after = pageInfo.endCursor
  }
}

/** One entry as JSON; its details are JSON, not text. */
export function lineOf(entry: AuditRowFragment): string {
  const { details } = entry
  return encode({
    ...entry,
    details: details && !jsonFault(details) ? new JsonText(details.replaceAll('\n', ' ')) : details,
  })
}
