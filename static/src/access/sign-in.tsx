// The sign-in page. It lies above the page that was open, which stays as it was: what the user typed is there again
// after the sign-in. A modal dialog is above every other dialog, and keeps the focus.

import { useQueryClient } from '@tanstack/react-query'
import { type ReactNode, useEffect, useEffectEvent, useId, useLayoutEffect, useRef } from 'react'
import { MeDocument } from '@/api/generated'
import { keyOf } from '@/api/read'
import { noteSignedIn, useSession } from '@/api/session'
import { signedInAs } from '@/api/sign-in'
import { FIRST } from '@/components/dialog'
import { Logo } from '@/components/logo'
import type { Me } from './me'
import { SignInWays } from './sign-in-ways'

/** The sign-in page, while there is no session. */
export default function SignIn() {
  const session = useSession()
  const queries = useQueryClient()
  if (session.state === 'open') return null
  const known = session.state === 'ended' ? queries.getQueryData<{ me: Me }>(keyOf(MeDocument, {}))?.me.name : undefined
  const signedIn = (name: string) => {
    const same = name === known
    // Nothing that another user read may be seen.
    if (!same) queries.clear()
    noteSignedIn(same)
    if (same) void queries.invalidateQueries()
  }
  return (
    <SignInPage onOtherTab={signedIn} note={known === undefined ? null : noteOf(session.reason)}>
      <SignInWays name={known ?? ''} waits={known !== undefined} onSignedIn={signedIn} />
    </SignInPage>
  )
}

/** Only an end by time is worth its words: the others say that a credential is missing or wrong. */
function noteOf(reason: string | null): string {
  const ended = reason && /expire/.test(reason) ? 'Your session expired.' : 'Your session has ended.'
  return `${ended} Sign in to continue where you were.`
}

interface SignInPageProps {
  note: string | null
  /** The user signed in in another tab of this browser. */
  onOtherTab: (name: string) => void
  children: ReactNode
}

function SignInPage({ note, onOtherTab, children }: SignInPageProps) {
  const dialog = useRef<HTMLDialogElement>(null)
  const titleId = useId()
  // Before the element leaves the page: the browser then gives the focus back to where it was.
  useLayoutEffect(() => {
    const element = dialog.current
    element?.showModal()
    element?.querySelector<HTMLElement>(`[${FIRST}]`)?.focus()
    const title = document.title
    document.title = 'Sign in · Horolog'
    return () => {
      element?.close()
      document.title = title
    }
  }, [])
  const look = useEffectEvent(async () => {
    const name = await signedInAs()
    if (name) onOtherTab(name)
  })
  useEffect(() => {
    const heard = () => void look()
    addEventListener('focus', heard)
    return () => removeEventListener('focus', heard)
  }, [])
  return (
    <dialog
      ref={dialog}
      aria-labelledby={titleId}
      onCancel={(event) => event.preventDefault()}
      // A browser closes a dialog on the second Escape, whatever the page says.
      onClose={() => dialog.current?.showModal()}
      className="m-0 h-dvh max-h-none w-dvw max-w-none overflow-y-auto bg-canvas p-4 text-ink"
    >
      <main className="mx-auto mt-[12dvh] flex w-full max-w-sm flex-col gap-5 rounded-xl border bg-surface p-6">
        <div className="flex items-center gap-2.5">
          <Logo />
          <h1 id={titleId} className="font-semibold text-xl">
            Sign in to Horolog
          </h1>
        </div>
        {note && (
          <p role="status" className="text-muted text-sm">
            {note}
          </p>
        )}
        {children}
      </main>
    </dialog>
  )
}
