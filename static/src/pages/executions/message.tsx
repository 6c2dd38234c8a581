import { useEffect, useState } from 'react'
import { ExecutionMessageDocument, type ExecutionRowFragment } from '@/api/generated'
import { useApi } from '@/api/queries'

/** Time on the screen before a row requests its error, in milliseconds. */
const REST = 150

/** Longest text of a hint, in characters. */
const HINT_MAX = 1_000

/**
 * The error, in a line. A message may have 64 KB, and a list has a hundred rows that are read again each second: so the
 * error has a query of its own, once, while its row is on the screen.
 */
export function Message({ execution }: { execution: ExecutionRowFragment }) {
  const [rested, setRested] = useState(false)
  useEffect(() => {
    const timer = setTimeout(() => setRested(true), REST)
    return () => clearTimeout(timer)
  }, [])
  const { data } = useApi(
    ExecutionMessageDocument,
    { id: execution.id },
    { enabled: rested, staleTime: Number.POSITIVE_INFINITY },
  )
  const text = data?.execution?.errorMessage
  if (!text) return null
  return (
    <p className="min-w-0 truncate text-bad text-xs compact:flex-1" title={text.slice(0, HINT_MAX)} dir="auto">
      {text.slice(0, HINT_MAX)}
    </p>
  )
}
