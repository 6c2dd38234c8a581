// How cursors chain pages together. Pure.

/** A connection of the API. */
export interface Paged<Row> {
  nodes: Row[]
  totalCount: number | null
  pageInfo: { hasNextPage: boolean; endCursor: string | null }
}

/** Where the page after this one begins: null when there is none, undefined when that is not known yet. */
export function known<Result, Row>(result: Result | undefined, read: (result: Result) => Paged<Row>) {
  if (result === undefined) return undefined
  const { pageInfo } = read(result)
  return pageInfo.hasNextPage ? pageInfo.endCursor : null
}

/** The cursors with what page `page` said about the next: cut off when it is the last, the same array when nothing is new. */
export function withCursor(after: (string | null)[], page: number, end: string | null): (string | null)[] {
  if (page >= after.length) return after
  if (end === null) return after.length > page + 1 ? after.slice(0, page + 1) : after
  if (after[page + 1] === end) return after
  return [...after.slice(0, page + 1), end, ...after.slice(page + 2)]
}

/** Rows that are known to be there; a page that is being read counts as full, so that there is room for it. */
export function rowCount(pages: number, ofLastPage: number | undefined, size: number): number {
  return (pages - 1) * size + (ofLastPage ?? size)
}
