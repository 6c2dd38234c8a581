// A long list of the API, read page by page as far as somebody looks. Each page is a query of its own, so that only what is
// on the screen is read again when something changed.

import { useQueries, useQueryClient } from '@tanstack/react-query'
import { useCallback, useEffect, useEffectEvent, useState } from 'react'
import { nameOf } from './client'
import type { TypedDocumentString } from './generated'
import { type Paged, pageOf, rowCount, type Said, START, saidBy, withPage } from './paging'
import { type Pulse, read as readAgain } from './read'
import { heldPage, onRenewStill, type Withheld, withheld } from './still'

interface Options<Result, Row, Fresh> {
  /** Rows that are asked for at a time. */
  size: number
  /** The list in the answer. */
  read: (result: Result) => Paged<Row>
  /** Time between two reads of what is on the screen, in milliseconds. */
  refetchInterval: number
  keyOf: (row: Row) => string
  /** Rows keep their places: somebody points at them, or has scrolled. */
  still: boolean
  pulse?: Pulse<Result, Fresh>
}

export interface Pages<Row> {
  /** Rows that are known to be there, read or not. */
  count: number
  /** A row, if it has been read. */
  rowAt: (index: number) => Row | undefined
  /** Tells which rows are on the screen. */
  look: (first: number, last: number) => void
  /** All rows that match, if the server counted them. */
  total: number | null
  /** Why nothing could be read. */
  error: unknown
  /** The first page has been read. */
  ready: boolean
  refetch: () => void
  /** What is not shown because the list holds still. */
  withheld: Withheld
  /** Shows it, and holds still again. */
  renew: () => void
}

interface Kept<Row> {
  list: string
  pages: ReadonlyMap<number, Paged<Row>>
}

const NOTHING_KEPT: Kept<never> = { list: '', pages: new Map() }
const NOTHING_WITHHELD: Withheld = { arrived: 0, moved: false }

/** Rows below the screen that are read too, so that they are there when somebody scrolls on. */
const AHEAD = 60
/** Rows that have to scroll by before pages are thought of again. */
const STEP = 10

/** Reads the pages of a list around what `look` was told last. `variables` are those without `first` and `after`. */
export function usePages<Result, Variables extends { first?: unknown; after?: unknown }, Row, Fresh = never>(
  document: TypedDocumentString<Result, Variables>,
  variables: Omit<Variables, 'first' | 'after'>,
  { size, read, refetchInterval, keyOf, still, pulse }: Options<Result, Row, Fresh>,
): Pages<Row> {
  const queries = useQueryClient()
  const list = JSON.stringify(variables)
  const [known, setKnown] = useState({ list, chain: START })
  const [looked, setLooked] = useState({ first: 0, last: 0 })
  const [kept, setKept] = useState<Kept<Row>>(NOTHING_KEPT)
  const [renewals, setRenewals] = useState(0)
  const held = still && kept.list === list ? kept.pages : NOTHING_KEPT.pages
  // Another filter is another list: nothing of the old one holds.
  const chain = known.list === list ? known.chain : START
  const from = pageOf(chain, looked.first, size).page
  const to = pageOf(chain, looked.last + AHEAD, size).page
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
    // A result that is looked at draws this again when it changes; the cache alone would not.
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

  // In steps, so that the page is not drawn again for each row that scrolls by.
  const look = useCallback((firstRow: number, lastRow: number) => {
    const first = Math.floor(firstRow / STEP) * STEP
    const last = Math.ceil(lastRow / STEP) * STEP
    setLooked((now) => (now.first === first && now.last === last ? now : { first, last }))
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
    look,
    total: start?.totalCount ?? null,
    error: start ? undefined : results.find((result) => result.error)?.error,
    ready: start !== undefined,
    refetch: () => void queries.invalidateQueries({ queryKey: [nameOf(document)] }),
    withheld: before && fresh ? withheld(before, fresh, keyOf) : NOTHING_WITHHELD,
    renew,
  }
}
