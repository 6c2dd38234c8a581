// A long list of the API, read page by page as far as somebody looks. Each page is a query of its own, so that only what is
// on the screen is read again when something changed.

import { useQueries, useQueryClient } from '@tanstack/react-query'
import { useCallback, useEffect, useState } from 'react'
import { nameOf, send } from './client'
import type { TypedDocumentString } from './generated'
import { known, type Paged, rowCount, withCursor } from './paging'

interface Options<Result, Row> {
  /** Rows of a page. */
  size: number
  /** The list in the answer. */
  read: (result: Result) => Paged<Row>
  /** Time between two reads of what is on the screen, in milliseconds; false for none. */
  refetchInterval: number | false
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
}

/** Reads the pages of a list around what `look` was told last. `variables` are those without `first` and `after`. */
export function usePages<Result, Variables extends { first?: unknown; after?: unknown }, Row>(
  document: TypedDocumentString<Result, Variables>,
  variables: Omit<Variables, 'first' | 'after'>,
  { size, read, refetchInterval }: Options<Result, Row>,
): Pages<Row> {
  const queries = useQueryClient()
  const list = JSON.stringify(variables)
  const [cursors, setCursors] = useState<{ list: string; after: (string | null)[] }>({ list, after: [null] })
  const [looked, setLooked] = useState({ first: 0, last: 0 })
  // Another filter is another list: nothing of the old one holds.
  const after = cursors.list === list ? cursors.after : START
  const from = Math.min(looked.first, after.length - 1)
  const to = Math.min(looked.last + 1, after.length - 1)
  const pages = Array.from({ length: to - from + 1 }, (_, index) => from + index)

  const keyOf = (page: number) => [nameOf(document), { ...variables, first: size, after: after[page] }]
  const read1 = (page: number) => {
    const result = queries.getQueryData<Result>(keyOf(page))
    return result && read(result)
  }

  const results = useQueries({
    queries: pages.map((page) => ({
      queryKey: keyOf(page),
      queryFn: ({ signal }: { signal: AbortSignal }) =>
        send(document, { ...variables, first: size, after: after[page] } as unknown as Variables, signal),
      refetchInterval,
    })),
  })

  // What a page says about the next one.
  const ends = pages.map((page, index) => [page, known(results[index]?.data as Result | undefined, read)] as const)
  const endsKey = JSON.stringify(ends)
  useEffect(() => {
    const said = JSON.parse(endsKey) as typeof ends
    setCursors((now) => {
      const before = now.list === list ? now.after : START
      const next = said.reduce((all, [page, end]) => (end === undefined ? all : withCursor(all, page, end)), before)
      return next === now.after ? now : { list, after: next }
    })
  }, [endsKey, list])

  const look = useCallback(
    (first: number, last: number) => {
      const next = { first: Math.floor(first / size), last: Math.floor(last / size) }
      setLooked((now) => (now.first === next.first && now.last === next.last ? now : next))
    },
    [size],
  )

  const first = read1(0)
  return {
    count: rowCount(after.length, read1(after.length - 1)?.nodes.length, size),
    rowAt: (index) => {
      const page = Math.floor(index / size)
      return page < after.length ? read1(page)?.nodes[index % size] : undefined
    },
    look,
    total: first?.totalCount ?? null,
    error: first ? undefined : results.find((result) => result.error)?.error,
    ready: first !== undefined,
    refetch: () => void queries.invalidateQueries({ queryKey: [nameOf(document)] }),
  }
}

const START: (string | null)[] = [null]
