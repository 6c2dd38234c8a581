// The chain of cursors between pages. A page may have fewer rows than requested and still have a next one. Pure.

/** A connection of the API. */
export interface Paged<Row> {
  nodes: Row[]
  totalCount: number | null
  pageInfo: { hasNextPage: boolean; endCursor: string | null }
}

/** The known pages. */
export interface Chain {
  /** Cursor of each page. */
  after: readonly (string | null)[]
  /** Number of rows of each page that has been read. */
  lengths: readonly (number | undefined)[]
}

/** The first page, unread. */
export const START: Chain = { after: [null], lengths: [] }

/** Facts of a page that has been read: its rows, and the cursor of the next one. */
export interface Said {
  page: number
  length: number
  end: string | null
}

/** The facts of a page, from an answer. */
export function saidBy<Row>(page: number, { nodes, pageInfo }: Paged<Row>): Said {
  return { page, length: nodes.length, end: pageInfo.hasNextPage ? pageInfo.endCursor : null }
}

/** The chain with the facts of a page: cut after the last page, unchanged without news. */
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

/** Number of known rows; an unread page counts as full, to leave room for it. */
export function rowCount({ after, lengths }: Chain, size: number): number {
  return after.reduce((sum, _, page) => sum + (lengths[page] ?? size), 0)
}

/** The page of a row, and the place there. */
export function pageOf({ after, lengths }: Chain, row: number, size: number): { page: number; place: number } {
  let place = row
  for (const page of after.keys()) {
    const length = lengths[page] ?? size
    if (place < length) return { page, place }
    place -= length
  }
  return { page: after.length - 1, place: Number.POSITIVE_INFINITY }
}
