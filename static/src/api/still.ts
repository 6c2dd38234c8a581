// A page of a list that holds still: its rows keep their places, whatever the changes, and show their new values.

import type { Paged } from './paging'

/**
 * The kept page, with the newest version of each row. Its end cursor is kept, too, or the next page would start
 * elsewhere.
 */
export function heldPage<Row>(kept: Paged<Row>, fresh: Paged<Row>, keyOf: (row: Row) => string): Paged<Row> {
  return { ...fresh, nodes: heldRows(kept.nodes, fresh.nodes, keyOf), pageInfo: kept.pageInfo }
}

/** The kept rows, each in its newest version. */
export function heldRows<Row>(kept: readonly Row[], fresh: readonly Row[], keyOf: (row: Row) => string): Row[] {
  const newest = new Map(fresh.map((row) => [keyOf(row), row]))
  return kept.map((row) => newest.get(keyOf(row)) ?? row)
}

const renewers = new Set<() => void>()

/** After a command of the user lists show their newest rows, and hold still again. */
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

/** Changes that a list does not show while it holds still. */
export interface Withheld {
  /** Number of new rows. */
  arrived: number
  /** Whether rows would change their places. */
  moved: boolean
}

/** The differences of the first page. */
export function withheld<Row>(kept: Paged<Row>, fresh: Paged<Row>, keyOf: (row: Row) => string): Withheld {
  const before = kept.nodes.map(keyOf)
  const now = fresh.nodes.map(keyOf)
  const known = new Set(before)
  return {
    arrived: now.filter((key) => !known.has(key)).length,
    moved: before.some((key, index) => key !== now[index]),
  }
}
