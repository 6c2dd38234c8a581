// A page that needs a role, opened by its address.

import { Link } from '@tanstack/react-router'
import { Lock } from 'lucide-react'
import type { ReactNode } from 'react'
import { buttonClass } from '@/components/button'
import { Missing } from '@/components/panel'
import { Loading } from '@/components/states'
import { useMe } from './me'
import { type Command, NEEDED, needsRole, rolesInWords, useMay } from './rights'

/** The page for callers with the right to `command`; for the others the name of the missing role. */
export function Guarded({ command, children }: { command: Command; children: ReactNode }) {
  const me = useMe()
  const may = useMay(command)
  if (!me) return <Loading label="Loading your role" />
  if (may) return children
  return (
    <Missing icon={Lock} title={needsRole(NEEDED[command]).slice(0, -1)}>
      <p className="mb-3">
        You are {me.name} ({rolesInWords(me)}). An admin can change it.
      </p>
      <Link to="/" className={buttonClass()}>
        To the overview
      </Link>
    </Missing>
  )
}
