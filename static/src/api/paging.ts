// How cursors chain pages together. A page may hold fewer rows than were asked for and still have a next one. Pure.

/** A connection of the API. */
export interface Paged<Row> {
  nodes: Row[]
  totalCount: number | null
  pageInfo: { hasNextPage: boolean; endCursor: string | null }
}

/** The pages that are known to be there. */
export interface Chain {
  /** Where each page begins. */
  after: readonly (string | null)[]
  /** Rows of each page that has been read. */
  lengths: readonly (number | undefined)[]
}

/** Nothing but the first page, unread. */
export const START: Chain = { after: [null], lengths: [] }

/** What a page that was read says: its rows, and where the next one begins if there is one. */
export interface Said {
  page: number
  length: number
  end: string | null
}

/** Reads it from an answer. */
export function saidBy<Row>(page: number, { nodes, pageInfo }: Paged<Row>): Said {
  return { page, length: nodes.length, end: pageInfo.hasNextPage ? pageInfo.endCursor : null }
}

/** The chain with what a page said: cut off when it is the last, the very same when nothing is new. */
export function withPage(chain: Chain, { page, length, end }: Said): Chain {
  const { after, lengths } = chain
  if (page >= after.length) return chain
  const ends = end === null ? after.length === page + 1 : after[page + 1] === end
  if (ends && lengths[page] === length) return chain
  const known = end === null ? page + 1 : Math.max(after.length, page + 2)
  return {
    after: Array.from({ length: known }, (_, index) => (index === page + 1 ? end : (after[index] ?? null))),
    lengths: Array.from({ length: known }, (_, index) => (index === page ? length : lengths[index])),
  }
}

/** Rows that are known to be there; a page that has not been read counts as full, so that there is room for it. */
export function rowCount({ after, lengths }: Chain, size: number): number {
  return after.reduce((sum, _, page) => sum + (lengths[page] ?? size), 0)
}

/** Which page a row is on, and its place there. */
export function pageOf({ after, lengths }: Chain, row: number, size: number): { page: number; place: number } {
  let place = row
  for (const page of after.keys()) {
    const length = lengths[page] ?? size
    if (place < length) return { page, place }
    place -= length
  }
  return { page: after.length - 1, place: Number.POSITIVE_INFINITY }
}
