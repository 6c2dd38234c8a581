// The account of the caller, in the header of every page. The menu arrives on demand.

import { LockOpen, UserRound } from 'lucide-react'
import { useState } from 'react'
import { useLazyPart } from '@/api/lazy-part'
import { IconButton } from '@/components/button'
import { type Me, useMe } from './me'
import { rolesInWords } from './rights'

const getMenu = () => import('./account-menu')

/** The button with the name and the role of the caller, and its menu. */
export function Account() {
  const me = useMe()
  const [wanted, setWanted] = useState(false)
  const AccountMenu = useLazyPart(getMenu, wanted, () => setWanted(false))
  if (!me) return null
  const look = lookOf(me)
  // Opened by the click that the menu came for.
  if (AccountMenu) return <AccountMenu me={me} look={look} defaultOpen={wanted} />
  return <IconButton {...look} aria-haspopup="menu" onClick={() => setWanted(true)} />
}

/** The icon and the label of the button. */
export type Look = ReturnType<typeof lookOf>

function lookOf(me: Me) {
  if (me.kind === 'ANONYMOUS') return { icon: LockOpen, label: 'No authentication', className: 'text-warn!' }
  return { icon: UserRound, label: `Account: ${me.name}, ${rolesInWords(me)}`, className: '' }
}
