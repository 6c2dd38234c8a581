// A page of a list that holds still: its rows keep their places, whatever comes or moves meanwhile, and show what is new of them.

import type { Paged } from './paging'

/** The page that was kept, with the newest of each of its rows. Its end stays too, or the next page would begin elsewhere. */
export function heldPage<Row>(kept: Paged<Row>, fresh: Paged<Row>, keyOf: (row: Row) => string): Paged<Row> {
  return { ...fresh, nodes: heldRows(kept.nodes, fresh.nodes, keyOf), pageInfo: kept.pageInfo }
}

/** The rows that were kept, each as new as it is known. */
export function heldRows<Row>(kept: readonly Row[], fresh: readonly Row[], keyOf: (row: Row) => string): Row[] {
  const newest = new Map(fresh.map((row) => [keyOf(row), row]))
  return kept.map((row) => newest.get(keyOf(row)) ?? row)
}

const renewers = new Set<() => void>()

/** What somebody just did is seen: lists show their newest rows, and hold still again. */
export function renewStill() {
  for (const renew of renewers) renew()
}

/** Calls back when that happens; returns how to stop. */
export function onRenewStill(renew: () => void) {
  renewers.add(renew)
  return () => {
    renewers.delete(renew)
  }
}

/** What a list that holds still does not show. */
export interface Withheld {
  /** Rows that came. */
  arrived: number
  /** Whether rows would stand elsewhere. */
  moved: boolean
}

/** How the first page would differ. */
export function withheld<Row>(kept: Paged<Row>, fresh: Paged<Row>, keyOf: (row: Row) => string): Withheld {
  const before = kept.nodes.map(keyOf)
  const now = fresh.nodes.map(keyOf)
  const known = new Set(before)
  return {
    arrived: now.filter((key) => !known.has(key)).length,
    moved: before.some((key, index) => key !== now[index]),
  }
}
