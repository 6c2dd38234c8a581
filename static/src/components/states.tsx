// The content of a part of a page that is loading, is empty, or has an error.

import { CircleAlert, type LucideIcon } from 'lucide-react'
import { type ReactNode, useEffect } from 'react'
import { errorMessage, Unreachable } from '@/api/client'
import { Button } from './button'

/** Grey lines in place of content that is loading. */
export function Loading({ lines = 4, label = 'Loading' }: { lines?: number; label?: string }) {
  return (
    <div role="status" aria-label={label} className="flex flex-col gap-3 p-4">
      {[...Array(lines).keys()].map((line) => (
        <div
          key={line}
          className="h-4 animate-pulse rounded bg-hover"
          style={{ width: `${88 - ((line * 23) % 40)}%` }}
        />
      ))}
    </div>
  )
}

export interface EmptyProps {
  icon?: LucideIcon
  title: string
  children?: ReactNode
  /** In place of a whole page: the title is that of the page. */
  alone?: boolean | undefined
}

/** An empty list, and its meaning. */
export function Empty({ icon: Icon, title, children, alone }: EmptyProps) {
  return (
    <div className="flex flex-col items-center gap-1.5 px-4 py-10 text-center">
      {Icon && <Icon size={22} aria-hidden className="mb-1 text-faint" />}
      <Title alone={alone}>{title}</Title>
      {children && <div className="max-w-md text-muted text-sm">{children}</div>}
    </div>
  )
}

/** In place of a whole page it is the heading of the page, and the title of the window. */
function Title({ alone, children }: { alone: boolean | undefined; children: string }) {
  useEffect(() => {
    if (alone) document.title = `${children} · Horolog`
  })
  return alone ? <h1 className="font-medium">{children}</h1> : <p className="font-medium">{children}</p>
}

interface FailureProps {
  error: unknown
  retry?: () => void
  what: string
  alone?: boolean | undefined
}

/** A failed read, its reason, and a button to repeat it. */
export function Failure({ error, retry, what, alone }: FailureProps) {
  return (
    <div role="alert" className="flex flex-col items-center gap-1.5 px-4 py-10 text-center">
      <CircleAlert size={22} aria-hidden className="mb-1 text-bad" />
      <Title alone={alone}>{`Cannot show ${what}`}</Title>
      <p className="max-w-md break-words text-muted text-sm">
        {errorMessage(error)}
        {error instanceof Unreachable && ' It is tried again by itself.'}
      </p>
      {retry && (
        <Button className="mt-2" onClick={retry}>
          Try again
        </Button>
      )}
    </div>
  )
}

interface QueryResult<Result> {
  data: Result | undefined
  error: unknown
  refetch: () => unknown
}

/** The state of one query: its data as `children` render them, or the reason why there are none. */
export function QueryBoundary<Result>(props: {
  query: QueryResult<Result>
  what: string
  lines?: number
  /** In place of a whole page. */
  alone?: boolean
  children: (data: Result) => ReactNode
}) {
  const { query, what, lines, alone, children } = props
  if (query.data !== undefined) return children(query.data)
  if (query.error) return <Failure error={query.error} what={what} alone={alone} retry={() => void query.refetch()} />
  return <Loading lines={lines ?? 4} label={`Loading ${what}`} />
}
