// The way back to a list, with its last filters.

import { Link, useRouterState } from '@tanstack/react-router'
import { useEffect } from 'react'

type List = '/jobs' | '/executions'

/** The last address of each list, while the page is open. */
const last = new Map<string, Record<string, unknown>>()

/** Records the filters of the lists; used once, by the shell. */
export function useListMemory() {
  const { pathname, search } = useRouterState({ select: ({ location }) => location })
  useEffect(() => {
    if (pathname === '/jobs' || pathname === '/executions') last.set(pathname, search)
  }, [pathname, search])
}

/** A link from a page to its list. */
export function UpLink({ to }: { to: List }) {
  return (
    <Link to={to} search={last.get(to) ?? {}}>
      {to === '/jobs' ? 'Jobs' : 'Executions'}
    </Link>
  )
}
