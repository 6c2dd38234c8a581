// The ways to sign in that the node offers: a password, a provider, or both.

import { LogIn } from 'lucide-react'
import { useEffect, useState } from 'react'
import { getSignInOptions, PASSWORD_ONLY } from '@/api/sign-in'
import { buttonClass } from '@/components/button'
import { FIRST } from '@/components/dialog'
import { Fault } from '@/components/fault'
import { PROVIDER_ADDRESS, rememberPage, takeProviderFault } from './provider'
import { SignInForm } from './sign-in-form'

interface SignInWaysProps {
  /** The name of the session that ended. */
  name: string
  /** An open page waits below. */
  waits: boolean
  onSignedIn: (name: string) => void
}

/** The form, the link to the provider, and the fault of the last sign-in there. */
export function SignInWays({ name, waits, onSignedIn }: SignInWaysProps) {
  const [options, setOptions] = useState(PASSWORD_ONLY)
  const [fault] = useState(takeProviderFault)
  useEffect(() => {
    let left = false
    void getSignInOptions().then((found) => !left && setOptions(found))
    return () => {
      left = true
    }
  }, [])
  const { password, openId } = options
  return (
    <>
      <Fault>{fault}</Fault>
      {openId && (
        <div className="flex flex-col gap-1.5">
          <a
            href={PROVIDER_ADDRESS}
            onClick={rememberPage}
            className={buttonClass(password ? 'plain' : 'primary')}
            {...(!password && { [FIRST]: true })}
          >
            <LogIn size={15} aria-hidden />
            <span className="truncate">Sign in with {openId.name}</span>
          </a>
          {waits && (
            <p className="text-muted text-xs">
              This leaves the open page: what you typed in it is lost.
              {password && ' The sign-in with a password keeps it.'}
            </p>
          )}
        </div>
      )}
      {password && <SignInForm name={name} onSignedIn={onSignedIn} />}
      {password && (
        <p className="text-muted text-xs">
          Forgotten the password? An admin sets another one, and so does{' '}
          <code className="font-mono">horolog user set-password</code> on the host of a node.
        </p>
      )}
    </>
  )
}
