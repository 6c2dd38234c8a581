// Links to all pages and the state of the cluster, on every page.

import { Link } from '@tanstack/react-router'
import { clsx } from 'clsx'
import {
  Activity,
  CalendarClock,
  CalendarDays,
  CalendarOff,
  ChartGantt,
  Folder,
  Gauge,
  Keyboard,
  KeyRound,
  KeySquare,
  Menu as MenuIcon,
  Monitor,
  Moon,
  ScrollText,
  Server,
  Sun,
  Users,
  X,
} from 'lucide-react'
import { useState } from 'react'
import { Account } from '@/access/account'
import { useMay } from '@/access/rights'
import { healthOf, useOverview } from '@/cluster/overview'
import { IconButton } from '@/components/button'
import { Kbd } from '@/components/kbd'
import { Logo } from '@/components/logo'
import { type Theme, useTheme } from '@/lib/theme'

const LINKS = [
  { to: '/', label: 'Overview', icon: Gauge },
  { to: '/jobs', label: 'Jobs', icon: CalendarClock },
  { to: '/executions', label: 'Executions', icon: Activity },
  { to: '/timeline', label: 'Timeline', icon: ChartGantt },
  { to: '/upcoming', label: 'Upcoming', icon: CalendarDays },
  { to: '/calendars', label: 'Calendars', icon: CalendarOff },
  { to: '/nodes', label: 'Nodes', icon: Server },
] as const

const SECRETS_LINK = { to: '/secrets', label: 'Secrets', icon: KeySquare } as const

const ADMIN_LINKS = [
  { to: '/namespaces', label: 'Namespaces', icon: Folder },
  { to: '/users', label: 'Users', icon: Users },
  { to: '/tokens', label: 'API tokens', icon: KeyRound },
  { to: '/audit-log', label: 'Audit log', icon: ScrollText },
] as const

const LINK =
  'flex h-8 items-center gap-2.5 rounded-md px-2.5 text-sm font-medium text-muted hover:bg-hover hover:text-ink aria-[current=page]:bg-hover aria-[current=page]:text-ink'

/** The column at the left; on a narrow screen a bar at the top with a menu. */
export function Navigation({ onHelp, onSearch }: { onHelp: () => void; onSearch: () => void }) {
  const [open, setOpen] = useState(false)
  const isAdmin = useMay('users')
  const readsSecrets = useMay('secrets')
  return (
    <nav
      aria-label="Main"
      className="z-30 flex shrink-0 flex-col border-b bg-surface lg:h-dvh lg:w-56 lg:border-r lg:border-b-0"
    >
      <div className="flex h-13 items-center justify-between pr-2 pl-4">
        <Link to="/" className="flex items-center gap-2 font-semibold" onClick={() => setOpen(false)}>
          <Logo />
          Horolog
        </Link>
        <div className="flex items-center">
          <Account />
          <IconButton
            icon={open ? X : MenuIcon}
            label={open ? 'Close the menu' : 'Open the menu'}
            aria-expanded={open}
            className="lg:hidden"
            onClick={() => setOpen(!open)}
          />
        </div>
      </div>
      <div className={clsx('flex-1 flex-col gap-4 px-2 pb-2 lg:flex', open ? 'flex' : 'hidden')}>
        <button
          type="button"
          onClick={() => {
            setOpen(false)
            onSearch()
          }}
          className="mx-0.5 flex h-8 items-center justify-between rounded-md border border-edge px-2.5 text-muted text-sm hover:bg-hover"
        >
          Search jobs
          <Kbd>/</Kbd>
        </button>
        <ul className="flex flex-col gap-0.5">
          {[...LINKS, ...(readsSecrets ? [SECRETS_LINK] : []), ...(isAdmin ? ADMIN_LINKS : [])].map(
            ({ to, label, icon: Icon }) => (
              <li key={to}>
                <Link to={to} activeOptions={{ exact: to === '/' }} className={LINK} onClick={() => setOpen(false)}>
                  <Icon size={16} aria-hidden />
                  {label}
                </Link>
              </li>
            ),
          )}
        </ul>
        <div className="mt-auto flex flex-col gap-2">
          <ClusterLine />
          <div className="flex items-center justify-between border-t pt-2">
            <ThemeSwitch />
            <IconButton icon={Keyboard} label="Keyboard shortcuts" onClick={onHelp} />
          </div>
        </div>
      </div>
    </nav>
  )
}

const DOTS = { good: 'bg-good', warn: 'bg-warn', bad: 'bg-bad' }

/** The cluster in two lines. */
function ClusterLine() {
  const { data } = useOverview()
  if (!data) return null
  const { cluster } = data.overview
  const health = healthOf(data.overview)
  return (
    <div className="rounded-md px-2.5 py-1.5 text-xs">
      <p className="flex items-center gap-2 font-medium">
        <span className={clsx('painted size-2 shrink-0 rounded-full', DOTS[health.tone])} aria-hidden />
        {health.title}
      </p>
      <p className="mt-0.5 flex items-center gap-2 text-muted">
        <Server size={12} aria-hidden className="-ml-0.5" />
        {cluster.activeNodes} {cluster.activeNodes === 1 ? 'node' : 'nodes'} · {cluster.version}
      </p>
    </div>
  )
}

const THEMES: { theme: Theme; label: string; icon: typeof Sun }[] = [
  { theme: 'system', label: 'Colours as the system', icon: Monitor },
  { theme: 'light', label: 'Light colours', icon: Sun },
  { theme: 'dark', label: 'Dark colours', icon: Moon },
]

function ThemeSwitch() {
  const [theme, choose] = useTheme()
  return (
    <fieldset className="flex gap-0.5 rounded-md" aria-label="Colours">
      {THEMES.map((one) => (
        <IconButton
          key={one.theme}
          icon={one.icon}
          label={one.label}
          aria-pressed={theme === one.theme}
          className="aria-pressed:bg-hover aria-pressed:text-ink"
          onClick={() => choose(one.theme)}
        />
      ))}
    </fieldset>
  )
}
