// A long list of the API, read page by page around the visible rows. Each page is a query of its own, so that after a
// change only the visible pages are read again.

import { useQueries, useQueryClient } from '@tanstack/react-query'
import { useCallback, useEffect, useEffectEvent, useState } from 'react'
import { nameOf } from './client'
import type { TypedDocumentString } from './generated'
import { type Paged, pageOf, rowCount, type Said, START, saidBy, withPage } from './paging'
import { type Pulse, read as readAgain } from './read'
import { heldPage, onRenewStill, type Withheld, withheld } from './still'

interface Options<Result, Row, Fresh> {
  /** Rows of one request. */
  size: number
  /** The list in the answer. */
  read: (result: Result) => Paged<Row>
  /** Time between two reads of what is on the screen, in milliseconds. */
  refetchInterval: number
  keyOf: (row: Row) => string
  /** Rows keep their places: under the pointer, or after scrolling. */
  still: boolean
  pulse?: Pulse<Result, Fresh>
}

export interface Pages<Row> {
  /** Number of known rows, read or not. */
  count: number
  /** A row, if it has been read. */
  rowAt: (index: number) => Row | undefined
  /** Reports the visible rows. */
  setVisible: (first: number, last: number) => void
  /** Number of matching rows, if the server counted them. */
  total: number | null
  /** The error of the first page. */
  error: unknown
  /** The first page has been read. */
  ready: boolean
  refetch: () => void
  /** Changes that are not shown because the list holds still. */
  withheld: Withheld
  /** Shows the changes; the list holds still again afterwards. */
  renew: () => void
}

interface Kept<Row> {
  list: string
  pages: ReadonlyMap<number, Paged<Row>>
}

const NOTHING_KEPT: Kept<never> = { list: '', pages: new Map() }
const NOTHING_WITHHELD: Withheld = { arrived: 0, moved: false }

/** Rows below the screen that are read in advance for scrolling. */
const AHEAD = 60
/** Rows to scroll before pages are calculated again. */
const STEP = 10

/** Reads the pages of a list around the rows of the last `setVisible`. `variables` are without `first` and `after`. */
export function usePages<Result, Variables extends { first?: unknown; after?: unknown }, Row, Fresh = never>(
  document: TypedDocumentString<Result, Variables>,
  variables: Omit<Variables, 'first' | 'after'>,
  { size, read, refetchInterval, keyOf, still, pulse }: Options<Result, Row, Fresh>,
): Pages<Row> {
  const queries = useQueryClient()
  const list = JSON.stringify(variables)
  const [known, setKnown] = useState({ list, chain: START })
  const [visibleRows, setVisibleRows] = useState({ first: 0, last: 0 })
  const [kept, setKept] = useState<Kept<Row>>(NOTHING_KEPT)
  const [renewals, setRenewals] = useState(0)
  const held = still && kept.list === list ? kept.pages : NOTHING_KEPT.pages
  // Another filter is another list: no page of the old one is valid.
  const chain = known.list === list ? known.chain : START
  const from = pageOf(chain, visibleRows.first, size).page
  const to = pageOf(chain, visibleRows.last + AHEAD, size).page
  const pages = Array.from({ length: to - from + 1 }, (_, index) => from + index)

  const variablesOf = (page: number) =>
    ({ ...variables, first: size, after: chain.after[page] }) as unknown as Variables
  const results = useQueries({
    queries: pages.map((page) => ({
      queryKey: [nameOf(document), variablesOf(page)],
      queryFn: ({ signal }: { signal: AbortSignal }) =>
        readAgain(queries, document, variablesOf(page), { signal, pulse }),
      refetchInterval,
    })),
  })
  const readFresh = (page: number) => {
    // An observed result renders this component again when it changes; the cache alone would not.
    const result = results[page - from]?.data ?? queries.getQueryData<Result>([nameOf(document), variablesOf(page)])
    return result && read(result)
  }
  const readPage = (page: number) => {
    const fresh = readFresh(page)
    const before = held.get(page)
    return before && fresh ? heldPage(before, fresh, keyOf) : fresh
  }

  const arrived = pages.filter((page) => readFresh(page))
  const keep = useEffectEvent(() =>
    setKept((before) => {
      const old = before.list === list ? before.pages : NOTHING_KEPT.pages
      const fresh = arrived.flatMap((page) => {
        const read = old.has(page) ? undefined : readFresh(page)
        return read ? [[page, read] as const] : []
      })
      return fresh.length === 0 ? before : { list, pages: new Map([...old, ...fresh]) }
    }),
  )
  const arrivedKey = arrived.join(' ')
  // biome-ignore lint/correctness/useExhaustiveDependencies: it is kept again when pages arrive, and after each renewal
  useEffect(() => {
    if (still) keep()
    else setKept(NOTHING_KEPT)
  }, [still, list, arrivedKey, renewals])

  const said = pages.flatMap((page): Said[] => {
    const shown = readPage(page)
    return shown ? [saidBy(page, shown)] : []
  })
  const saidKey = JSON.stringify(said)
  useEffect(() => {
    const all = JSON.parse(saidKey) as Said[]
    setKnown((before) => {
      const old = before.list === list ? before.chain : START
      const next = all.reduce(withPage, old)
      return next === old && before.list === list ? before : { list, chain: next }
    })
  }, [saidKey, list])

  // In steps: one rendering for several rows that scroll by.
  const setVisible = useCallback((firstRow: number, lastRow: number) => {
    const first = Math.floor(firstRow / STEP) * STEP
    const last = Math.ceil(lastRow / STEP) * STEP
    setVisibleRows((now) => (now.first === first && now.last === last ? now : { first, last }))
  }, [])

  const renew = useCallback(() => {
    setKept(NOTHING_KEPT)
    setRenewals((before) => before + 1)
  }, [])

  useEffect(() => onRenewStill(renew), [renew])

  const start = readPage(0)
  const [before, fresh] = [held.get(0), readFresh(0)]
  return {
    count: rowCount(chain, size),
    rowAt: (row) => {
      const { page, place } = pageOf(chain, row, size)
      return readPage(page)?.nodes[place]
    },
    setVisible,
    total: start?.totalCount ?? null,
    error: start ? undefined : results.find((result) => result.error)?.error,
    ready: start !== undefined,
    refetch: () => void queries.invalidateQueries({ queryKey: [nameOf(document)] }),
    withheld: before && fresh ? withheld(before, fresh, keyOf) : NOTHING_WITHHELD,
    renew,
  }
}
