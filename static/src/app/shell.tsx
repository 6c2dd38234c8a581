// The frame of every page.

import { Link, Outlet, useNavigate, useRouterState } from '@tanstack/react-router'
import { Lock } from 'lucide-react'
import { useEffect, useState } from 'react'
import { Account } from '@/access/account'
import { type Me, MeProvider, useMeUpdates } from '@/access/me'
import { includes, roleIn, rolesInWords, useMay } from '@/access/rights'
import { useConnection } from '@/api/connection'
import { useLazyPart } from '@/api/lazy-part'
import { currentSession } from '@/api/session'
import { useOverview, useOverviewUpdates } from '@/cluster/overview'
import { Name } from '@/components/name'
import { Missing } from '@/components/panel'
import { useListMemory } from '@/components/up-link'
import { useShortcuts } from '@/lib/shortcuts'
import { Navigation } from './navigation'

/** The field that `/` focuses, on a page that has one. */
const SEARCH_FIELD = 'input[type=search]'

const getHelp = () => import('./help')

/** Navigation, banner, page; for the role of the caller. */
export function Shell() {
  const me = useMeUpdates()
  return <MeProvider value={me}>{me && !readsPages(me) ? <NoPages me={me} /> : <Frame />}</MeProvider>
}

function readsPages(me: Me): boolean {
  const role = roleIn(me, undefined)
  return role !== null && includes(role, 'VIEWER')
}

/** A caller whose role reads no page. */
function NoPages({ me }: { me: Me }) {
  return (
    <main id="page">
      <div className="flex justify-end p-2">
        <Account />
      </div>
      <Missing icon={Lock} title="Your role has no pages">
        You are {me.name} ({rolesInWords(me)}): that reads the metrics and the list of nodes only. An admin can change
        it.
      </Missing>
    </main>
  )
}

function Frame() {
  const [helping, setHelping] = useState(false)
  const Help = useLazyPart(getHelp, helping, () => setHelping(false))
  const navigate = useNavigate()
  useOverviewUpdates()
  useMovesToTop()
  useListMemory()

  const search = () => {
    const field = document.querySelector<HTMLInputElement>(SEARCH_FIELD)
    if (field) field.focus()
    else void navigate({ to: '/jobs' }).then(() => focusSoon(SEARCH_FIELD))
  }
  useShortcuts((key) => {
    // The sign-in page is above the page, which waits.
    if (currentSession().state !== 'open') return false
    const does: Record<string, () => void> = {
      '/': search,
      '?': () => setHelping(true),
      j: () => focusRow(1),
      k: () => focusRow(-1),
      'g o': () => void navigate({ to: '/' }),
      'g j': () => void navigate({ to: '/jobs' }),
      'g e': () => void navigate({ to: '/executions' }),
      'g t': () => void navigate({ to: '/timeline' }),
      'g u': () => void navigate({ to: '/upcoming' }),
      'g c': () => void navigate({ to: '/calendars' }),
      'g n': () => void navigate({ to: '/nodes' }),
    }
    does[key]?.()
    return key in does
  })

  return (
    <div className="flex h-dvh flex-col lg:flex-row">
      <a href="#page" className="sr-only focus:not-sr-only focus:absolute focus:z-50 focus:bg-raised focus:p-2">
        To the content
      </a>
      <Navigation onHelp={() => setHelping(true)} onSearch={search} />
      <div className="flex min-h-0 min-w-0 flex-1 flex-col">
        <LostBanner />
        <HoldBanner />
        <main id="page" tabIndex={-1} className="max-xl:scroll-pb-16 min-h-0 flex-1 overflow-y-auto outline-none">
          <Outlet />
        </main>
      </div>
      {Help && <Help open={helping} onClose={() => setHelping(false)} />}
    </div>
  )
}

const LOST = {
  lost: 'This node does not answer.',
  stale: 'The database does not answer.',
}

function LostBanner() {
  const connection = useConnection()
  if (connection === 'good') return null
  return (
    <p role="alert" className="border-b bg-warn/12 px-4 py-2 text-sm text-warn lg:px-6">
      <strong className="font-semibold">{LOST[connection]}</strong> What you see may be old; the page comes back by
      itself.
    </p>
  )
}

/** On every page but the overview, which has a longer notice. */
function HoldBanner() {
  const pause = useOverview().data?.overview.cluster.pause
  const path = useRouterState({ select: (state) => state.location.pathname })
  const mayResume = useMay('resumeCluster')
  if (!pause || path === '/') return null
  return (
    <p role="alert" className="border-b bg-bad/12 px-4 py-2 text-bad text-sm lg:px-6">
      <strong className="font-semibold">The cluster is paused, nothing starts:</strong> <Name text={pause.reason} />.{' '}
      <Link to="/" className="underline">
        {mayResume ? 'See why, and resume it' : 'See why'}
      </Link>
    </p>
  )
}

/** A new page starts at its top. */
function useMovesToTop() {
  const path = useRouterState({ select: (state) => state.location.pathname })
  // biome-ignore lint/correctness/useExhaustiveDependencies: it is the change of the path that matters
  useEffect(() => {
    // In braces: new browsers return a promise, which React would take for the clean-up.
    document.getElementById('page')?.scrollTo(0, 0)
  }, [path])
}

/** Moves the focus to the link of the next or previous row of a list; to the first row from outside. */
function focusRow(step: 1 | -1) {
  const links = [...document.querySelectorAll('#page :is([role=row], tbody tr)')].flatMap(
    (row) => row.querySelector<HTMLElement>('a[href]') ?? [],
  )
  const at = links.findIndex((link) => link.closest('[role=row], tr')?.contains(document.activeElement))
  links[at + step]?.focus()
}

/** The page may still be loading. */
function focusSoon(selector: string, tries = 20) {
  const field = document.querySelector<HTMLElement>(selector)
  if (field) field.focus()
  else if (tries > 0) setTimeout(() => focusSoon(selector, tries - 1), 50)
}
