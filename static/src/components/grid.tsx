// A table of any length: only the visible rows exist. Rows may be missing while their page loads. Roles declare the
// table, because a <table> cannot leave out rows.

import { useVirtualizer } from '@tanstack/react-virtual'
import { clsx } from 'clsx'
import { memo, type ReactNode, useEffect, useMemo, useRef, useState } from 'react'
import { useDensity } from '@/lib/density'
import { useScreen } from './screen'
import { usePointed } from './still'

export interface Column<Row> {
  id: string
  header: ReactNode
  /** A track of a CSS grid, such as `minmax(12rem, 2fr)`. */
  width: string
  align?: 'end'
  /** Left out on a screen without space for all columns. */
  wide?: boolean
  cell: (row: Row) => ReactNode
}

export interface GridProps<Row> {
  label: string
  /** The same array until a change, so that unchanged rows are not rendered again. */
  columns: Column<Row>[]
  count: number
  /** Number of all rows, if known; `count` may be the number of loaded rows. */
  total?: number | null
  rowAt: (index: number) => Row | undefined
  keyOf: (row: Row) => string
  /** Height of a comfortable row in pixels. */
  rowHeight: number
  /** A row on a narrow screen (the same function each time), and its height in pixels. */
  card: (row: Row) => ReactNode
  cardHeight: number
  /** The cells can be shown as one line of text. */
  hasDensity?: boolean
  /** Called with the visible rows. */
  onVisible: (first: number, last: number) => void
  /** Called when rows should keep their places, and when they need not any more. */
  onStill: (still: boolean) => void
  /** Changes that are not shown, such as "12 new"; a button shows them. */
  news: string | null
  onNews: () => void
}

/** Height of a compact row in pixels: a line of text and its commands. */
const COMPACT_HEIGHT = 34

/** The table; fills the height of its parent and scrolls inside. */
export function Grid<Row>(props: GridProps<Row>) {
  const {
    label,
    count,
    total,
    rowAt,
    keyOf,
    rowHeight,
    card,
    cardHeight,
    hasDensity,
    onVisible,
    onStill,
    news,
    onNews,
  } = props
  const box = useRef<HTMLDivElement>(null)
  const screen = useScreen()
  const narrow = screen === 'narrow'
  const wide = screen === 'wide'
  const columns = useMemo(() => props.columns.filter((column) => wide || !column.wide), [props.columns, wide])
  const compact = useDensity()[0] === 'compact' && !narrow && hasDensity
  const height = narrow ? cardHeight : compact ? COMPACT_HEIGHT : rowHeight
  const virtual = useVirtualizer({
    count,
    getScrollElement: () => box.current,
    estimateSize: () => height,
    overscan: 8,
  })
  const rows = virtual.getVirtualItems()
  const first = rows[0]?.index ?? 0
  const last = rows[rows.length - 1]?.index ?? 0
  useEffect(() => {
    onVisible(first, last)
  }, [onVisible, first, last])
  // biome-ignore lint/correctness/useExhaustiveDependencies: rows measured for the other shape are measured again
  useEffect(() => virtual.measure(), [height])

  const [pointed, pointing] = usePointed()
  const [scrolled, setScrolled] = useState(false)
  const still = pointed || scrolled
  useEffect(() => onStill(still), [onStill, still])
  useEffect(() => () => onStill(false), [onStill])

  const tracks = narrow ? '1fr' : columns.map((column) => column.width).join(' ')
  return (
    <div className="relative h-full min-h-0" data-compact={compact || undefined} {...pointing}>
      {news && (
        <button
          type="button"
          onClick={() => {
            box.current?.scrollTo(0, 0)
            onNews()
          }}
          className="-translate-x-1/2 absolute top-11 left-1/2 z-20 h-7 rounded-full bg-accent-solid px-3 font-medium text-on-solid text-xs shadow-pop hover:brightness-110"
        >
          {news}
        </button>
      )}
      <div
        ref={box}
        tabIndex={0}
        onScroll={(event) => setScrolled(event.currentTarget.scrollTop > 0)}
        className="h-full min-h-0 overflow-y-auto overflow-x-hidden rounded-lg border bg-surface"
      >
        <div role="table" aria-label={label} aria-rowcount={total ?? -1}>
          <div role="rowgroup" className={clsx('sticky top-0 z-10 border-b bg-surface', narrow && 'sr-only')}>
            <div role="row" className="grid h-9 items-center gap-4 px-4" style={{ gridTemplateColumns: tracks }}>
              {columns.map((column) => (
                <div
                  key={column.id}
                  role="columnheader"
                  className={clsx('min-w-0 font-medium text-muted text-xs', column.align === 'end' && 'text-right')}
                >
                  {column.header}
                </div>
              ))}
            </div>
          </div>
          <div role="rowgroup" className="relative" style={{ height: virtual.getTotalSize() }}>
            {rows.map(({ index, start }) => {
              const row = rowAt(index)
              return (
                <div
                  key={row ? keyOf(row) : index}
                  role="row"
                  aria-rowindex={index + 2}
                  className="absolute inset-x-0 grid items-center gap-4 border-b px-4 hover:bg-hover/60"
                  style={{ gridTemplateColumns: tracks, height, transform: `translateY(${start}px)` }}
                >
                  {row ? <Cells row={row} columns={columns} card={narrow ? card : null} /> : <Waiting />}
                </div>
              )
            })}
          </div>
        </div>
      </div>
    </div>
  )
}

interface CellsProps<Row> {
  row: Row
  columns: Column<Row>[]
  /** In place of the columns. */
  card: ((row: Row) => ReactNode) | null
}

// Scrolling moves rows; only new ones are rendered.
const Cells = memo(function Cells<Row>({ row, columns, card }: CellsProps<Row>) {
  if (card) return <Cell>{card(row)}</Cell>
  return columns.map((column) => (
    <Cell key={column.id} end={column.align === 'end'}>
      {column.cell(row)}
    </Cell>
  ))
}) as <Row>(props: CellsProps<Row>) => ReactNode

function Cell({ end, children }: { end?: boolean; children: ReactNode }) {
  return (
    <div role="cell" className={clsx('min-w-0 text-sm', end && 'text-right')}>
      {children}
    </div>
  )
}

function Waiting() {
  return (
    <Cell>
      <div className="h-3.5 w-40 max-w-full animate-pulse rounded bg-hover" />
    </Cell>
  )
}
